import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CommandLine, documentsOf, exitOf } from "../helpers/command-line.ts";
import { Random } from "../helpers/random.ts";
import { until } from "../helpers/time.ts";
import { MIB, noise } from "../large/support.ts";

const test = suite<{ line: CommandLine }>("varve with streams from stdin");
test.before.each(async (context) => {
  context.line = await CommandLine.inNewFolder();
});
test.after.each(({ line }) => line.remove());

test("a stream of more than a MiB from stdin comes back whole", async ({ line }) => {
  const bytes = noise(new Random("stdin"), 3 * MIB);
  assert.is((await line.process(["save", "s", "-", "--media-type", "image/x"], bytes)).stdout, "s:0\n");
  const [artifact] = documentsOf(await line.varve(["show", "s", "--json"]));
  assert.equal([artifact.size, artifact.mediaType], [3 * MIB, "image/x"]);
  assert.ok((await line.process(["get", "s"])).bytes.equals(bytes));
});

test("stdin that is aborted, or fails, after some MiB leaves no version, and nothing that is kept", async ({
  line,
}) => {
  await line.varve(["save", "v", "--value", "1"]);
  const [{ blobs }] = documentsOf(await line.varve(["stats", "--json"]));
  const bytes = noise(new Random("aborted stdin"), 12 * MIB);
  const abort = new AbortController();
  async function* aborted() {
    yield bytes;
    abort.abort();
    await new Promise((resolve) => setTimeout(resolve, 10_000).unref());
  }
  async function* failing() {
    yield bytes;
    throw Object.assign(new Error("EIO: read"), { code: "EIO" });
  }
  const outcome = await line.varve(["save", "s", "-"], {
    stdin: Readable.from(aborted()),
    signal: abort.signal,
  });
  assert.equal([outcome.exitCode, outcome.stdout, outcome.stderr], [130, "", ""]);
  const failed = await line.varve(["save", "s", "-"], { stdin: Readable.from(failing()) });
  assert.is(failed.exitCode, 1);
  assert.match(failed.stderr, /EIO/);
  await line.varve(["compact", "--yes"]);
  const child = line.start(["save", "s", "-"]);
  child.stdin!.on("error", () => {});
  child.stdin!.write(bytes);
  const errors = buffer(child.stderr!);
  const logBytes = async () => documentsOf(await line.varve(["stats", "--json"]))[0].logBytes;
  await until(
    "it has written some",
    async () => child.exitCode !== null || (await logBytes()) >= 8 * MIB,
    50,
  );
  assert.is(child.exitCode, null, `it ended: ${child.exitCode === null || (await errors)}`);
  child.kill("SIGINT");
  assert.is(await exitOf(child), 130);
  assert.is((await line.varve(["get", "s"])).exitCode, 3);
  await line.varve(["compact", "--yes"]);
  const [stats] = documentsOf(await line.varve(["stats", "--json"]));
  assert.is(stats.blobs, blobs);
  assert.ok(stats.logBytes < MIB, `${stats.logBytes} bytes`);
});

test.run();
