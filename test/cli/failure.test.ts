import { PassThrough } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Context } from "../../cli/context.ts";
import { BrokenPipe, systemError } from "../../cli/errors.ts";
import { failureOf } from "../../cli/failure.ts";
import { Output } from "../../cli/output.ts";
import { withProgress } from "../../cli/progress.ts";
import { VarveError, type VarveErrorCode } from "../../engine/main.ts";

const test = suite("failures and streams");

test("each code of the library has its exit code", () => {
  const expected: Record<VarveErrorCode, number> = {
    NOT_FOUND: 3,
    INVALID_ARGUMENT: 2,
    UNSUPPORTED_VALUE: 1,
    CONFLICT: 4,
    CORRUPTION: 5,
    CLOSED: 1,
    READ_ONLY: 1,
    NO_SPACE: 9,
    IO: 1,
    NOT_SUPPORTED: 1,
    MISSING_DRIVER: 1,
    UNAVAILABLE: 8,
    UNAUTHORIZED: 8,
    CONFIG: 1,
    ABORTED: 130,
  };
  for (const [code, exitCode] of Object.entries(expected)) {
    const error = new VarveError(code as VarveErrorCode, "what failed", { hint: "what to do" });
    assert.equal(failureOf(error), {
      exitCode,
      document: { code, message: "what failed", hint: "what to do" },
    });
  }
});

test("an error that nobody expected is told as a mistake of Varve", () => {
  for (const error of [new TypeError("x is not a function"), "thrown text", undefined, null]) {
    const { exitCode, document } = failureOf(error);
    assert.is(exitCode, 1);
    assert.is(document.code, "INTERNAL");
    assert.match(document.hint!, /report/);
  }
});

test("a full disk is NO_SPACE, any other system error IO", () => {
  const failed = (code: string) =>
    failureOf(systemError(Object.assign(new Error("no"), { code }), "writing x"));
  assert.is(failed("ENOSPC").exitCode, 9);
  assert.is(failed("EDQUOT").exitCode, 9);
  assert.equal(failed("EACCES").document, { code: "IO", message: "failed while writing x: no" });
});

test("a slow reader of stdout slows the command down instead of filling memory", async () => {
  const stream = new PassThrough({ highWaterMark: 1024 });
  const output = new Output(stream, new AbortController().signal);
  let written = 0;
  const writing = (async () => {
    for (; written < 1_000; written++) await output.line("x".repeat(10_000));
    await output.flush();
  })();
  await wait(50);
  assert.ok(written < 100, String(written));
  stream.resume();
  await writing;
});

test("after Ctrl-C nothing more is written", async () => {
  const stream = new PassThrough();
  const output = new Output(stream, AbortSignal.abort());
  const writing = [output.line("x"), output.bytes(Buffer.from("x"))];
  for (const { status } of await Promise.allSettled(writing)) assert.is(status, "rejected");
  assert.is(stream.read(), null);
});

test("a stream that was closed is a broken pipe", async () => {
  const stream = new PassThrough();
  const output = new Output(stream, new AbortController().signal);
  stream.destroy();
  await output.line("x");
  const failure = await output.flush().catch((error: unknown) => error);
  assert.instance(failure, BrokenPipe);
});

test("progress is shown after a second, and wiped away at the end; without a terminal never", async () => {
  const shown = async (progress: boolean) => {
    const stderr = new PassThrough();
    const io = { stderr, signal: new AbortController().signal };
    await withProgress({ io, progress } as unknown as Context, async ({ onProgress }) => {
      onProgress?.({ phase: "early", done: 1, total: 4, unit: "records" });
      await wait(1_050);
      onProgress?.({ phase: "reading", done: 1_000, total: 4_000, unit: "records" });
    });
    return String(stderr.read() ?? "");
  };
  const [onTerminal, elsewhere] = await Promise.all([shown(true), shown(false)]);
  assert.is(onTerminal, "\r\u001b[2Kreading: 25 % (1,000 records)\r\u001b[2K");
  assert.is(elsewhere, "");
});

test.run();
