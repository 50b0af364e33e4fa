import { suite } from "uvu";
import * as assert from "uvu/assert";
import { failure } from "../helpers/errors.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, closeStores } from "../helpers/stores.ts";
import { until } from "../helpers/time.ts";
import { Expected, fill, logBytes, logFiles, openSmall } from "./compact-support.ts";

const test = suite("compaction in several processes");
test.after.each(closeAll);
test.after.each(killPrograms);

/** Of the moments of a compaction at so many it is killed, or at all. */
const KILLS = Number(process.env.VARVE_TEST_COMPACT_KILLS ?? 4);

async function material(random: Random): Promise<{ home: string; expected: Expected }> {
  const home = newFolder();
  const expected = new Expected();
  const store = await openSmall(home);
  await fill(store, expected, random, 40);
  await store.close();
  return { home, expected };
}

test("killed at any moment it has lost nothing, and the next one ends what it began", async () => {
  const random = new Random("killed");
  const { home, expected } = await material(random);
  const whole = new Program("../engine/compact-program.ts", [copyHome(home), ""]);
  const { calls } = await whole.expect();
  await whole.end();
  const moments =
    KILLS >= calls.length
      ? calls.map((_: string, i: number) => i + 1)
      : Array.from({ length: KILLS }, (_, i) => 1 + Math.floor(((i + random.next()) * calls.length) / KILLS));
  for (const moment of moments) {
    const copy = copyHome(home);
    const killed = new Program("../engine/compact-program.ts", [copy, String(moment)]);
    await killed.ended();
    const what = `killed at ${moment}, ${calls[moment - 1]}`;
    try {
      await checkAfterKill(copy, expected, moment % 2 === 0);
    } catch (error) {
      (error as Error).message = `${what}: ${(error as Error).message}`;
      throw error;
    }
    await closeStores();
  }
});

async function checkAfterKill(home: string, expected: Expected, rebuilds: boolean): Promise<void> {
  const store = await openSmall(home);
  await expected.check(store);
  if (rebuilds) await store.rebuildIndex();
  await store.compact();
  assert.is((await store.stats()).deadBlobBytes, 0);
  assert.equal(
    [...logFiles(home).keys()].filter((name) => name.startsWith("new-c0c0c0c0")),
    [],
  );
  assert.is((await store.compact()).segments, 0);
  await expected.checkEverywhere(home, store);
}

/** A store with another process in the middle of a list. */
async function whileListed(what: string) {
  const { home, expected } = await material(new Random(what));
  const reader = new Program("../engine/compact-program.ts", [home, "waits"]);
  await reader.expect();
  return { home, expected, reader, store: await openSmall(home) };
}

test("old files wait for a list in another process, which ends right, and go then", async () => {
  const { home, expected, reader, store } = await whileListed("reading process");
  const report = await store.compact();
  assert.ok(report.waitingBytes > 0);
  assert.is(logBytes(home) - report.logBytesAfter, report.waitingBytes);
  reader.tell("go on");
  const listed = await reader.expect();
  assert.equal(listed.values, Object.fromEntries(expected.live));
  const next = await store.compact();
  assert.is(next.waitingBytes, 0);
  assert.is(logBytes(home), next.logBytesAfter);
  reader.tell("load all");
  assert.equal((await reader.expect()).values, Object.fromEntries(expected.live));
  await reader.ended();
  await expected.checkEverywhere(home, store);
});

test("another process that compacts is named", async () => {
  const { home, expected, reader, store } = await whileListed("two processes");
  const other = new Program("../engine/compact-program.ts", [home, ""]);
  // It waits for the reader then, for some seconds.
  await until("the other one is done but for that", async () => {
    const { segments } = await store.compact({ dryRun: true });
    return segments === 0;
  });
  const error = await failure(store.compact(), "CONFLICT");
  assert.match(error.message, new RegExp(`process ${other.process.pid} is compacting`));
  reader.tell("go on");
  await reader.expect();
  await other.expect();
  await other.end();
  await reader.kill();
  await expected.checkEverywhere(home, store);
});

test.run();
