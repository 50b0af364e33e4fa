import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Artifact, ArtifactStore, Json, ListFilter } from "../../engine/api.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, newStore } from "../helpers/stores.ts";

const test = suite("list against filtering everything");
test.after.each(closeAll);
const random = new Random("list");

const NAMES = ["a", "a/b", "a/b/c", "ab", "b", "b/a", "b/a/b", "ü/a", "z"];
const GLOBS = ["**", "*", "a/*", "a/**", "**/b", "a*", "a/b", "ü/*", "x*", "*/a"];
const TAGS = ["x", "y"];
const METADATA: Json[] = [0, 1, 2, "1", "a", null, true, [1], { a: 1 }];

function pick<T>(items: readonly T[]): T {
  return items[random.below(items.length)]!;
}

function maybe<T extends object>(chance: number, make: () => T): T | object {
  return random.next() < chance ? make() : {};
}

async function fill(store: ArtifactStore): Promise<void> {
  for (let i = 0; i < 250; i++) {
    const name = pick(NAMES);
    const action = random.below(10);
    if (action < 6) {
      const value = random.below(2) === 0 ? Buffer.alloc(random.below(6), i) : { value: random.below(20) };
      await store.save(name, value, {
        ...maybe(0.5, () => ({ tags: { stage: pick(TAGS) } })),
        ...maybe(0.7, () => ({
          metadata: { m: pick(METADATA), ...maybe(0.2, () => ({ long: "x".repeat(300) })) },
        })),
        ...(Buffer.isBuffer(value) && random.below(3) === 0 && { mediaType: "text/plain" }),
      });
    } else {
      const ref = `${name}:${random.below(8)}`;
      if (action === 6) await store.delete(ref).catch(() => {});
      else if (action === 7) await store.undelete(ref).catch(() => {});
      else await store.annotate(ref, { metadata: { m: pick(METADATA) } }).catch(() => {});
    }
  }
}

/** Everything there is, in order of names. */
async function everything(store: ArtifactStore): Promise<Artifact[]> {
  const all: Artifact[] = [];
  for (const deleted of [false, true]) {
    for await (const artifact of store.list({ allVersions: true, deleted })) all.push(artifact);
  }
  const order = (a: Artifact, b: Artifact) =>
    Buffer.compare(Buffer.from(`${a.name}\0`), Buffer.from(`${b.name}\0`)) || b.version - a.version;
  return all.sort(order);
}

/** A part of a filter, and what it means. */
type Part = [filter: ListFilter, holds: (artifact: Artifact) => boolean];

function parts(all: Artifact[]): Part[] {
  const some = pick(all);
  const value = pick(METADATA);
  const number = random.below(3);
  const tag = pick(TAGS);
  const size = random.below(6);
  const start = some.digest.slice(0, 8 + random.below(3));
  const same = (actual: Json | undefined, wanted: Json) => JSON.stringify(actual) === JSON.stringify(wanted);
  const isNumber = (actual: unknown): actual is number => typeof actual === "number";
  const time = some.createdAt;
  const choices: Part[] = [
    [{ tags: { stage: tag } }, ({ tags }) => tags.stage === tag],
    [{ metadata: { m: { eq: value } } }, ({ metadata }) => same(metadata.m, value)],
    [{ metadata: { m: { gte: number } } }, ({ metadata: { m } }) => isNumber(m) && m >= number],
    [
      { metadata: { m: { lt: number, ne: 0 } } },
      ({ metadata: { m } }) => isNumber(m) && m < number && m !== 0,
    ],
    [{ metadata: { m: { in: [value, number] } } }, ({ metadata: { m } }) => same(m, value) || m === number],
    [{ metadata: { m: { exists: false } } }, ({ metadata }) => !("m" in metadata)],
    [{ since: time }, ({ createdAt }) => createdAt >= time],
    [{ until: time }, ({ createdAt }) => createdAt <= time],
    [{ mediaType: some.mediaType }, ({ mediaType }) => mediaType === some.mediaType],
    [{ minSize: size }, (artifact) => artifact.size >= size],
    [{ maxSize: size }, (artifact) => artifact.size <= size],
    [{ digest: start }, ({ digest }) => digest.startsWith(start)],
    [
      { where: `size > ${size} or tags.stage = '${tag}'` },
      ({ tags, ...rest }) => rest.size > size || tags.stage === tag,
    ],
    [
      { where: `not (metadata.m <= ${number}) and version in (0, 2, ${number})` },
      ({ metadata: { m }, version }) => !(isNumber(m) && m <= number) && [0, 2, number].includes(version),
    ],
    [
      { where: `createdAt > '${time.toISOString()}' and mediaType != 'text/plain' and name glob '**/b'` },
      ({ createdAt, mediaType, name }) =>
        createdAt > time && mediaType !== "text/plain" && /(^|\/)b$/.test(name),
    ],
    [{ where: `sequence <= ${some.sequence}` }, ({ sequence }) => sequence <= some.sequence],
    [{ where: "createdBy exists" }, () => false],
  ];
  return choices.filter(() => random.next() < 0.15);
}

function meantBy(glob: string): RegExp {
  const source = glob
    .replace(/\*\*\//g, "<levels>")
    .replace(/\*\*/g, "<any>")
    .replace(/\*/g, "[^/]*");
  return new RegExp(`^${source.replace(/<levels>/g, "(.*/)?").replace(/<any>/g, ".*")}$`, "s");
}

function expected(all: Artifact[], filter: ListFilter, holds: Part[1][]): string[] {
  const glob = meantBy(filter.name ?? "**");
  let found = all.filter(({ deleted }) => deleted === (filter.deleted ?? false));
  if (!filter.allVersions && !filter.deleted) {
    found = found.filter(({ name, version }) => !found.some((a) => a.name === name && a.version > version));
  }
  found = found.filter((artifact) => glob.test(artifact.name) && holds.every((hold) => hold(artifact)));
  if (filter.sort === "size") found.sort((a, b) => a.size - b.size);
  if (filter.sort === "createdAt") found.sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
  const listed = found.map(({ ref }) => ref);
  return filter.reverse ? listed.reverse() : listed;
}

test("a list with random filters is everything, filtered, sorted and cut", async () => {
  let notEmpty = 0;
  for (let round = 0; round < 5; round++) {
    let now = Date.UTC(2026, 0, 1);
    // Several operations share a moment, so that the order of equal times matters.
    const clock = () => {
      now += random.below(3) * 7;
      return new Date(now);
    };
    const store = await newStore({ durability: "buffered", clock });
    await fill(store);
    const all = await everything(store);
    for (let i = 0; i < 300; i++) {
      const chosen = parts(all);
      const filter: ListFilter = {
        ...maybe(0.5, () => ({ name: pick(GLOBS) })),
        ...maybe(0.5, () => ({ allVersions: true })),
        ...maybe(0.2, () => ({ deleted: true })),
        ...maybe(0.7, () => ({ sort: pick(["name", "createdAt", "size"] as const) })),
        ...maybe(0.5, () => ({ reverse: true })),
        ...Object.assign({}, ...chosen.map(([part]) => part)),
      };
      // Of two parts that set one field the later counts.
      const counting = chosen.filter(([part]) =>
        Object.entries(part).every(([field, value]) => filter[field as keyof ListFilter] === value),
      );
      const whole = expected(
        all,
        filter,
        counting.map(([, holds]) => holds),
      );
      const from = random.below(whole.length + 1);
      const limit = random.below(6);
      const label = `${JSON.stringify(filter)} seed ${random.seed}`;
      assert.equal(await listed(store, filter), whole, label);
      const page = { ...filter, limit, ...(from > 0 && { after: whole[from - 1]! }) };
      assert.equal(await listed(store, page), whole.slice(from, from + limit), `page of ${label}`);
      if (whole.length > 0) notEmpty++;
    }
    await store.close();
  }
  assert.ok(notEmpty > 300, `only ${notEmpty} lists had anything in them`);
});

async function listed(store: ArtifactStore, filter: ListFilter): Promise<string[]> {
  const found: string[] = [];
  for await (const { ref } of store.list(filter)) found.push(ref);
  return found;
}

test.run();
