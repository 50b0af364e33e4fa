import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parts } from "../../bench/parts.ts";
import { workloads } from "../../bench/workloads.ts";
import { toBytes } from "../../cli/bench/cbor.ts";
import { MissingPackage, packageLoader } from "../../cli/bench/packages.ts";
import { subjects } from "../../cli/bench/subjects.ts";
import { type Entry, EntrySource, nameOf, VALUE_BYTES } from "../../cli/bench/values.ts";
import { encodeValue } from "../../engine/codec/cbor.ts";

const test = suite<{ folder: string }>("what is measured");

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "varve-bench-test-"));
});
test.after.each(({ folder }) => rm(folder, { recursive: true, force: true }));

const loadPackage = packageLoader(process.cwd());
const values = { seed: 7, bytes: VALUE_BYTES };
/** As they are now: the source uses its objects again. */
const take = (source: EntrySource, count: number): Entry[] => structuredClone(source.take(count));

test("the same seed gives the same values, another seed others", () => {
  const [one, same] = [new EntrySource(values), new EntrySource(values)];
  assert.equal(one.take(50), same.take(50));
  assert.not.equal(
    new EntrySource({ ...values, seed: 8 }).next().value,
    new EntrySource(values).next().value,
  );
});

test("values are as large as asked for, with varve's codec and with that of the others", () => {
  for (const bytes of [VALUE_BYTES, 10_000]) {
    const source = new EntrySource({ seed: 1, bytes });
    for (const { value } of source.take(100)) {
      for (const encoded of [encodeValue(value), toBytes(value)]) {
        assert.ok(Math.abs(encoded.length - bytes) < 0.02 * bytes, `${encoded.length} of ${bytes}`);
      }
    }
  }
});

test("no two values are the same, unless they are to repeat", () => {
  const distinct = (source: EntrySource) => {
    const seen = new Set<string>();
    for (let taken = 0; taken < 9_000; taken++) seen.add(JSON.stringify(source.next().value));
    return seen.size;
  };
  assert.is(distinct(new EntrySource(values)), 9_000);
  assert.is(distinct(new EntrySource(values, { repeating: true })), 4_000);
});

test("the parts of a save and a load give back what was saved, also when it was opened again", async ({
  folder,
}) => {
  const entries = take(new EntrySource(values), 1_500);
  for (const some of [entries.slice(0, 700), entries.slice(700)]) {
    const open = await parts.open(folder, loadPackage);
    await Promise.all([...some, ...some].map(({ name, value }) => open.save(name, value)));
    await open.close();
  }
  const open = await parts.open(folder, loadPackage);
  for (const { name, value } of entries) assert.equal(open.load(name), value);
  await open.close();
});

test("a package that is not there is told from one that fails", async () => {
  const error = await loadPackage("no-such-package-of-varve").catch((failure: Error) => failure);
  assert.instance(error, MissingPackage);
  assert.match((error as Error).message, /no-such-package-of-varve is not installed/);
});

for (const subject of subjects) {
  test(`${subject.name} gives back what was saved in each way, also after it was opened again`, async ({
    folder,
  }) => {
    const source = new EntrySource(values);
    const opened = await subject.open(folder, loadPackage);
    const all = [take(source, 1), take(source, 5), take(source, 5), take(source, 5)] as const;
    await opened.save(all[0][0]!.name, all[0][0]!.value);
    await opened.fill(all[1]);
    await (opened.saveTogether ?? opened.fill)(all[2]);
    await (opened.saveBatch ?? opened.fill)(all[3]);
    for (const { name, value } of all.flat()) assert.equal(await opened.load(name), value);
    assert.is(await opened.list(), 16);
    assert.is(await opened.listPrefix?.("artifact/00000001"), opened.listPrefix ? 6 : undefined);
    assert.equal([await opened.has(nameOf(3)), await opened.has(nameOf(16))], [true, false]);
    await opened.rebuild?.();
    await opened.close();
    const again = await subject.open(folder, loadPackage);
    for (const { name, value } of all.flat()) assert.equal(await again.load(name), value);
    await again.close();
  });

  test(`${subject.name} no longer has what was removed, and still has the rest`, async ({ folder }) => {
    const opened = await subject.open(folder, loadPackage);
    const all = take(new EntrySource(values), 20);
    await opened.fill(all);
    await opened.remove!(nameOf(0));
    const names = [nameOf(1), nameOf(2)];
    await (opened.removeTogether?.(names) ?? Promise.all(names.map((name) => opened.remove!(name))));
    await opened.compact?.();
    for (const [at, { name, value }] of all.entries()) {
      assert.is(await opened.has(name), at > 2, name);
      if (at > 2) assert.equal(await opened.load(name), value);
    }
    await opened.close();
  });

  if (!subject.unsupported["list-tag"])
    test(`${subject.name} gives the names with a tag, and those alone`, async ({ folder }) => {
      const opened = await subject.open(folder, loadPackage);
      await opened.fillTagged!(new EntrySource(values).take(20), ({ value }) => String(value.run % 3));
      assert.equal([await opened.listTag!("0"), await opened.listTag!("2")], [7, 6]);
      assert.is(await opened.listTag!("3"), 0);
      await opened.close();
    });

  test(`${subject.name} can do what is not said to be unsupported`, async ({ folder }) => {
    const opened = await subject.open(folder, loadPackage);
    await opened.close();
    for (const { name, needs } of workloads) {
      const isMissing = needs !== undefined && opened[needs] === undefined;
      if (needs) assert.is(isMissing, subject.unsupported[name] !== undefined, name);
    }
    const names: string[] = workloads.map(({ name }) => name);
    for (const name of Object.keys({ ...subject.differs, ...subject.unsupported }))
      assert.ok(names.includes(name));
  });
}

test.run();
