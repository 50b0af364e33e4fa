import { closeSync, existsSync, openSync } from "node:fs";
import { buffer } from "node:stream/consumers";
import { setTimeout as wait } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openStore } from "../../engine/main.ts";
import { CommandLine, exitOf } from "../helpers/command-line.ts";
import { openFilesUnder } from "../helpers/folders.ts";

const test = suite<{ line: CommandLine }>("varve as a process");

test.before.each(async (context) => {
  context.line = await CommandLine.inNewFolder();
});
test.after.each(({ line }) => line.remove());

async function fill(line: CommandLine, versions: number): Promise<void> {
  const store = await openStore({ home: line.home });
  try {
    await store.batch((batch) => {
      for (let version = 0; version < versions; version++) batch.save("some/name", version);
    });
  } finally {
    await store.close();
  }
}

test("a value goes from stdin into the store and out again, bytes untouched", async ({ line }) => {
  const bytes = Buffer.from([0, 255, 10, 13, 128]);
  const saved = await line.process(["save", "a", "-"], bytes);
  assert.is(saved.stdout, "a:0\n");
  assert.is(saved.stderr, "");
  assert.is(saved.exitCode, 0);
  assert.equal((await line.process(["get", "a"])).bytes, bytes);
});

test("failures go to stderr and into the exit code", async ({ line }) => {
  const { exitCode, stdout, stderr } = await line.process(["get", "a"]);
  assert.is(exitCode, 3);
  assert.is(stdout, "");
  assert.match(stderr, /^varve: there is no store in .*\nhint: .*varve init/);
});

test("a reader of stdout that leaves ends the command with 141, without a word", async ({ line }) => {
  await fill(line, 20_000);
  const child = line.start(["list", "--all-versions"]);
  const errors = buffer(child.stderr!);
  child.stdout!.once("data", () => child.stdout!.destroy());
  assert.is(await exitOf(child), 141);
  assert.is(String(await errors), "");
});

test("a stdout without space ends the command with 9", async ({ line }) => {
  if (!existsSync("/dev/full")) return;
  await fill(line, 1);
  const full = openSync("/dev/full", "w");
  try {
    const child = line.start(["list"], ["pipe", full, "pipe"]);
    const errors = buffer(child.stderr!);
    assert.is(await exitOf(child), 9);
    assert.match(String(await errors), /stdout/);
  } finally {
    closeSync(full);
  }
});

test("a command leaves no file of the store open, also when it fails", async ({ line }) => {
  await line.varve(["save", "a", "--value", "1"]);
  for (const words of [["get", "a"], ["get", "none"], ["delete", "a:0"], ["verify"]]) {
    await line.varve(words);
    assert.equal(openFilesUnder(line.home), [], words.join(" "));
  }
});

test("Ctrl-C while it waits for stdin ends the command with 130, and nothing is saved", async ({ line }) => {
  await fill(line, 1);
  const child = line.start(["save", "a", "-"]);
  child.stdin!.write("begun");
  // No sign tells that it listens to signals by now; a signal that comes too early would end it by itself.
  await wait(1_500);
  child.kill("SIGINT");
  assert.is(await exitOf(child), 130);
  assert.is((await line.varve(["get", "a"])).exitCode, 3);
});

test.run();
