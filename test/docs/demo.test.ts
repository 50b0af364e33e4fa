import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readDocument, root } from "./documents.ts";

const run = promisify(execFile);
const test = suite("demo");
let folder: string;

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), "varve-demo-test-"));
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));

/** A line for the shell, in the checkout. */
async function shell(line: string): Promise<string> {
  const env = { PATH: process.env.PATH!, HOME: folder, TMPDIR: folder };
  return (await run("/bin/sh", ["-c", line], { cwd: root, env })).stdout;
}

test("it tells its story, and the commands at its end work", async () => {
  const { scripts } = JSON.parse(readDocument("package.json"));
  const story = await shell(scripts.demo);
  assert.match(story, "penguins/model:2  98.2 %  softmax regression");
  assert.match(story, "penguins/clean:1 has the digest of penguins/clean:0: true");
  assert.match(story, "penguins/model@best is wrong on 3 of all 342 penguins");
  assert.match(story, "verify: ok");
  const grown = /The value has ([\d,]+) bytes; the log grew by ([\d,]+) bytes/.exec(story)!;
  const [value, log] = grown.slice(1).map((count) => Number(count.replaceAll(",", "")));
  assert.ok(log! < value! / 10, "the value was not stored again");

  const commands = [...story.matchAll(/^ {2}(node .*)$/gm)].map(([, command]) => command!);
  assert.ok(commands.length >= 5);
  for (const command of commands) assert.ok((await shell(command)).length > 0, command);
  const [removal] = /^ {2}rm -r .*$/m.exec(story)!;
  await shell(removal);
  assert.equal(
    readdirSync(folder).filter((name) => name.startsWith("varve")),
    [],
  );
});

test.run();
