import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";

const test = suite("a read-only store's own index");
const { TMPDIR } = process.env;
test.after.each(killPrograms);
test.after.each(closeAll);
test.after.each(() => {
  if (TMPDIR === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = TMPDIR;
});

/** A home with a log and nothing else, so that its readers make an index elsewhere. */
async function bareHome(): Promise<string> {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("x", 1);
  await store.close();
  for (const name of readdirSync(home)) if (name !== "log") rmSync(join(home, name), { recursive: true });
  return home;
}

test("is removed by the next reader when its process was killed, and stays while that lives", async () => {
  const home = await bareHome();
  const temporary = newFolder();
  const indexes = () => readdirSync(temporary).filter((name) => name.startsWith("varve-index-"));
  const args = [home, "x", JSON.stringify({ readOnly: true })];
  const others = [0, 1].map(
    () => new Program("../processes/observer.ts", args, { env: { TMPDIR: temporary } }),
  );
  for (const other of others) await other.expect();
  const [first, second] = others as [Program, Program];
  const folderOf = ({ process: { pid } }: Program) => indexes().find((name) => name.includes(`-${pid}-`));
  const left = folderOf(first);
  assert.ok(left);
  await first.kill();
  assert.is(indexes().length, 2);
  process.env.TMPDIR = temporary;
  const store = await openTestStore(home, { readOnly: true });
  assert.is(await store.load("x"), 1);
  assert.is(folderOf(first), undefined, `${left} is gone`);
  assert.is(indexes().length, 2);
  second.tell("stop");
  assert.equal((await second.expect()).wrong, []);
  await second.end();
  await store.close();
  assert.equal(indexes(), []);
});

test.run();
