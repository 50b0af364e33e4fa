import { randomBytes } from "node:crypto";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Artifact, ArtifactStore, Logger } from "../../engine/api.ts";
import { WHOLE_BYTES_MAX } from "../../engine/chunk/chunks.ts";
import type { VarveError } from "../../engine/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";

/** A store that keeps itself below a size. `VARVE_TEST_CHURN` is the seconds that the churn takes; default 3. */
const test = suite("size cap");
test.after.each(closeAll);

const CAP = 4 * 1024 * 1024;
const SEGMENT = CAP / 8;

/** Of all files of the log, also those that are about to go. */
function logBytes(home: string): number {
  const folder = join(home, "log");
  return readdirSync(folder).reduce((sum, name) => sum + sizeOf(join(folder, name)), 0);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < 400; tries++) {
    if (await holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return false;
}

function loggerInto(lines: string[]): Logger {
  const note = (message: string) => void lines.push(message);
  return { debug: () => {}, info: () => {}, warn: note, error: note };
}

test("the oldest versions go by themselves; what has an alias and the newest stay", async () => {
  const home = newFolder();
  const store = await openTestStore(home, { maxSize: CAP, durability: "buffered" });
  for (let version = 0; version < 150; version++) {
    await store.save(`n${version % 3}`, Buffer.alloc(64 * 1024, version));
    if (version === 4) await store.setAlias("n1", "kept", 1);
    assert.ok(logBytes(home) <= CAP + 2 * SEGMENT, `${logBytes(home)} bytes behind save ${version}`);
  }
  assert.ok(await until(() => logBytes(home) <= CAP));
  assert.is((await store.get("n1@kept")).version, 1);
  assert.is((await store.get("n2")).version, 49);
  assert.is(await store.has("n0:0"), false);
  const { ok, problems } = await store.verify({ full: true });
  assert.ok(ok, JSON.stringify(problems));
});

test("files, and values in chunks that are shorter than a segment, count as any others", async () => {
  const home = newFolder();
  const path = join(newFolder(), "file");
  const maxSize = 4 * CAP;
  const store = await openTestStore(home, { maxSize, durability: "buffered" });
  for (let version = 0; version < 80; version++) {
    writeFileSync(path, Buffer.alloc(256 * 1024, version));
    await store.saveFile(`n${version % 3}`, path);
    if (version % 10 === 0) await store.save("long", randomBytes(WHOLE_BYTES_MAX + 1));
    assert.ok(logBytes(home) <= maxSize + 8 * SEGMENT, `${logBytes(home)} bytes behind save ${version}`);
  }
  assert.ok(await until(() => logBytes(home) <= maxSize));
  assert.is(await store.has("n0:0"), false);
});

test("a cap below what is protected is told once, and no save fails", async () => {
  const home = newFolder();
  const lines: string[] = [];
  const store = await openTestStore(home, {
    maxSize: CAP,
    durability: "buffered",
    logger: loggerInto(lines),
  });
  const value = Buffer.alloc(256 * 1024);
  for (let version = 0; version < 24; version++) {
    value.fill(version);
    await store.save("kept", value);
    await store.setAlias("kept", `v${version}`, version);
  }
  const told = () => lines.filter((line) => line.includes("maxSize"));
  assert.ok(await until(() => told().length > 0));
  for (let version = 24; version < 32; version++) await store.save("kept", Buffer.alloc(1024, version));
  assert.is(told().length, 1, told().join("\n"));
  for (let version = 0; version < 24; version++)
    assert.equal((await store.load<Uint8Array>(`kept:${version}`))[0], version);
});

test("history is forgotten where records would fill the cap, and numbers are not given again", async () => {
  const home = newFolder();
  const maxSize = 512 * 1024;
  const store = await openTestStore(home, { maxSize, durability: "buffered" });
  for (let round = 0; round < 60; round++) {
    await store.batch((batch) => {
      for (let i = 0; i < 100; i++) batch.save(`n${i % 5}`, `${round}/${i}`);
    });
    assert.ok(logBytes(home) <= maxSize + 2 * 64 * 1024, `${logBytes(home)} bytes in round ${round}`);
  }
  assert.is((await store.save("n0", 1)).version, 60 * 20);
  const { ok, problems } = await store.verify({ full: true });
  assert.ok(ok, JSON.stringify(problems));
});

test("several who have it open keep the cap together", async () => {
  const home = newFolder();
  const lines: string[] = [];
  const options = { maxSize: CAP, durability: "buffered", logger: loggerInto(lines) } as const;
  const stores = [await openTestStore(home, options), await openTestStore(home, options)];
  const value = Buffer.alloc(64 * 1024);
  for (let version = 0; version < 120; version++) {
    value.fill(version);
    await Promise.all(stores.map((store, i) => store.save(`n${i}`, value)));
    value[0] = 255;
    assert.ok(logBytes(home) <= CAP + 2 * SEGMENT, `${logBytes(home)} bytes behind save ${version}`);
  }
  assert.ok(await until(() => logBytes(home) <= CAP));
  assert.equal(lines, []);
});

test("a smaller cap is enforced when the store is opened, and closing does not wait for that", async () => {
  const home = newFolder();
  const before = await openTestStore(home, { durability: "buffered" });
  for (let version = 0; version < 64; version++) await before.save("a", Buffer.alloc(128 * 1024, version));
  await before.close();
  const hasty = await openTestStore(home, { maxSize: CAP });
  await hasty.close();
  const store = await openTestStore(home, { maxSize: CAP });
  assert.ok(await until(() => logBytes(home) <= CAP));
  assert.equal((await store.load<Uint8Array>("a"))[0], 63);
});

test("under churn the log stays within its bound, and memory and open files stay flat", async () => {
  const home = newFolder();
  const store = await openTestStore(home, { maxSize: CAP, durability: "buffered" });
  const random = new Random("churn of the size cap");
  const seconds = Number(process.env.VARVE_TEST_CHURN ?? 3);
  const end = performance.now() + seconds * 1000;
  const filesAt: number[] = [];
  const memoryAt: number[] = [];
  let most = 0;
  for (let calls = 0; performance.now() < end; calls++) {
    await churn(store, random);
    if (calls % 8 > 0) continue;
    most = Math.max(most, logBytes(home));
    filesAt.push(readdirSync("/proc/self/fd").length);
    memoryAt.push(process.memoryUsage().rss);
  }
  const middle = Math.floor(filesAt.length / 2);
  const highest = (numbers: number[]) => numbers.reduce((max, number) => Math.max(max, number), 0);
  const { versions, deletedVersions, logOverheadBytes, indexBytes } = await store.stats();
  const mib = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  console.log(
    `${seconds} s: log at most ${mib(most)}, memory ${mib(highest(memoryAt.slice(0, middle)))} then ${mib(highest(memoryAt.slice(middle)))},`,
    `files ${highest(filesAt.slice(0, middle))} then ${highest(filesAt.slice(middle))},`,
    `${versions} versions, ${deletedVersions} deleted, ${mib(logOverheadBytes)} beside blobs, index ${mib(indexBytes)}`,
  );
  assert.ok(most <= CAP + 2 * SEGMENT, `${most} bytes of log`);
  assert.ok(highest(filesAt.slice(middle)) <= highest(filesAt.slice(0, middle)) + 16);
  assert.ok(highest(memoryAt.slice(middle)) <= highest(memoryAt.slice(0, middle)) + 96 * 1024 * 1024);
  const { ok, problems } = await store.verify({ full: true });
  assert.ok(ok, JSON.stringify(problems));
});

async function churn(store: ArtifactStore, random: Random): Promise<void> {
  const name = `n${random.below(12)}`;
  const dice = random.below(10);
  if (dice < 7) {
    const saves = Array.from({ length: 1 + random.below(8) }, () =>
      store.save(name, Buffer.alloc(1 + random.below(32 * 1024), random.below(256)), { tags: { a: "b" } }),
    );
    await Promise.all(saves);
    return;
  }
  const latest = await store.find(name);
  if (!latest) return;
  // It may be the oldest of all by now, and gone.
  await change(store, latest, dice, random).catch((error: VarveError) => {
    if (error.code !== "NOT_FOUND") throw error;
  });
}

async function change(store: ArtifactStore, latest: Artifact, dice: number, random: Random): Promise<void> {
  if (dice === 7) await store.setAlias(latest.name, "now", latest.version);
  else if (dice === 8) await store.annotate(latest, { metadata: { dice: random.below(1000) } });
  else if (latest.aliases.length === 0) await store.delete(latest);
}

test.run();
