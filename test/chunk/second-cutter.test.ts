import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Chunk, Chunks } from "../../engine/chunk/chunks.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { plainCode } from "../helpers/plain-code.ts";
import { within } from "../helpers/time.ts";
import "../helpers/whole-suites.ts";
import { cutsOf, sha256, steadyBytes, taken } from "./support.ts";

/** Of a long value another thread makes the chunks. */
const test = suite("chunks of a long value: two threads");

/** Compiled: from source there is no second thread. */
const code = plainCode(join(import.meta.dirname, "../../engine/chunk/chunks.ts"));
const { chunksOf } = (await import(code)) as typeof import("../../engine/chunk/chunks.ts");
const PROGRAM = join(code, "../second-cutter-program.js");
const program = readFileSync(PROGRAM, "utf8");
const READY = 'port.postMessage("ready");';
const ANSWER = "port.postMessage(answer";

test.after.each(() => {
  writeFileSync(PROGRAM, program);
  removeFolders();
});

const MiB = 1024 * 1024;
/** Within which a thread begins, however busy the machine is. */
const READY_MILLISECONDS = 15_000;
const ALONE_BYTES = 34 * MiB;
const value = steadyBytes("long", 60 * MiB + 4321);
const expected = cutsOf(value).map((end, i, ends) => ({
  offset: ends[i - 1] ?? 0,
  digest: sha256(value.subarray(ends[i - 1] ?? 0, end)).toString("hex"),
}));
const digest = sha256(value);

const threadCount = (): number => readdirSync("/proc/self/task").length;
// Threads of the pool come with the first use of it.
await Promise.all(Array.from({ length: 8 }, () => stat("/")));

/** Puts a change into what the thread runs, which also says when it is ready. Gives what waits for that. */
function programWith(text = "", replacement = ""): () => Promise<void> {
  const told = join(newFolder(), "told");
  const tells = `${READY} (await import("node:fs")).writeFileSync(${JSON.stringify(told)}, "");`;
  assert.ok(program.includes(text) && program.includes(READY));
  writeFileSync(PROGRAM, program.replace(text, replacement).replace(READY, tells));
  return async () => {
    const end = performance.now() + READY_MILLISECONDS;
    while (!existsSync(told) && performance.now() < end) await sleep(5);
    assert.ok(existsSync(told), "the thread is ready");
    await sleep(20);
  };
}

/** Waits, when the other thread has been begun, for `meanwhile`. */
async function* pieces(meanwhile: () => Promise<void>): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < value.length; at += MiB) {
    if (at === ALONE_BYTES) await meanwhile();
    yield value.subarray(at, at + MiB);
  }
}

/** How many chunks have a digest that is none, as broken programs make them. */
function check(chunks: readonly Chunk[], whole: Chunks["whole"]): number {
  const lost = chunks.filter(({ digest }) => digest.every((byte) => byte === 0)).length;
  assert.is(chunks.length, expected.length);
  for (const [i, { bytes, digest, offset }] of chunks.entries()) {
    assert.is(offset, expected[i]!.offset);
    assert.is(sha256(bytes).toString("hex"), expected[i]!.digest);
    if (lost === 0) assert.is(digest.toString("hex"), expected[i]!.digest);
  }
  assert.ok(whole.digest.equals(digest));
  assert.is(whole.size, value.length);
  return lost;
}

async function cut(meanwhile: () => Promise<void>): Promise<number> {
  const threads = threadCount();
  const chunks = chunksOf(pieces(meanwhile));
  const all = await within(60_000, "cutting", () => taken(chunks));
  assert.ok(threadCount() <= threads, "the other thread has ended");
  return check(all, chunks.whole);
}

/** The code of its error, which is of the other copy of the code. */
async function failed(chunks: Chunks): Promise<unknown> {
  try {
    await taken(chunks);
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  throw new Error("did not fail");
}

test("gives the same chunks as one", async () => {
  assert.is(await cut(programWith()), 0);
});

test("digests are those that the other thread has taken, once it is there", async () => {
  const lost = await cut(programWith("digests: joined(digests)", "digests: joined(digests).fill(0)"));
  assert.ok(lost > 350 && lost < expected.length - 350, `${lost} of ${expected.length}`);
});

test("where it can't begin this one does its work", async () => {
  for (const broken of [undefined, "throw new Error('broken');", "process.exit(1);", "syntax error"]) {
    if (broken === undefined) rmSync(PROGRAM);
    else writeFileSync(PROGRAM, broken);
    assert.is(await cut(() => sleep(200)), 0, broken);
  }
});

test("one that is never ready is not waited for", async () => {
  writeFileSync(PROGRAM, "setInterval(() => {}, 1000);");
  assert.is(await cut(async () => {}), 0);
});

test("where it ends in the middle this one goes on", async () => {
  const ends = ["process.exit(1);", "throw new Error('broken');"];
  for (const [i, end] of ends.entries())
    for (const count of [1, 3 + i]) {
      const dying = `if ((globalThis.told = 1 + (globalThis.told ?? 0)) === ${count}) { ${end} } ${ANSWER}`;
      assert.is(await cut(programWith(ANSWER, dying)), 0, `${end} at ${count}`);
    }
});

test("ends with a save that is given up, or whose source fails", async () => {
  const threads = threadCount();
  const failing = async () => {
    throw new Error("no more");
  };
  assert.is(await failed(chunksOf(pieces(failing))), "IO");
  for await (const { offset } of chunksOf(pieces(programWith()))) if (offset > ALONE_BYTES + 8 * MiB) break;
  const abort = new AbortController();
  const aborting = chunksOf(
    pieces(async () => abort.abort()),
    { signal: abort.signal },
  );
  assert.is(await failed(aborting), "ABORTED");
  assert.ok(threadCount() <= threads);
});

test("there is one for a process, and another when that has ended", async () => {
  const threads = threadCount();
  let most = 0;
  const look = async () => {
    await sleep(100);
    most = Math.max(most, threadCount());
  };
  assert.equal(await Promise.all([cutBeside(look), cutBeside(look), cutBeside(look)]), [0, 0, 0]);
  assert.is(most, threads + 1);
  assert.is(threadCount(), threads);
  assert.ok((await cut(programWith("digests: joined(digests)", "digests: joined(digests).fill(0)"))) > 0);
});

async function cutBeside(meanwhile: () => Promise<void>): Promise<number> {
  const chunks = chunksOf(pieces(meanwhile));
  return check(await taken(chunks), chunks.whole);
}

test("keeps no process alive whose source never goes on", () => {
  const script = `
    const { chunksOf } = await import(${JSON.stringify(code)});
    async function* pieces() {
      for (let i = 0; i < 48; i++) {
        yield new Uint8Array(${MiB}).fill(i);
        if (i === 34) await new Promise((resolve) => setTimeout(resolve, 300));
      }
      console.log("given");
      await new Promise(() => {});
    }
    void (async () => { for await (const _ of chunksOf(pieces())); })();`;
  const options = { encoding: "utf8", timeout: 30_000 } as const;
  const { status, stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], options);
  assert.equal([status, stdout], [0, "given\n"]);
});

test.run();
