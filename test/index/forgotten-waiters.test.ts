import { existsSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { removeFolders } from "../helpers/folders.ts";
import { newLockHome } from "../helpers/lock-homes.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { within } from "../helpers/time.ts";

/** What the C library does where a waiter is killed just as it is woken, and somebody else takes the lock. */
const test = suite("waiters that the lock has forgotten");
test.after.each(killPrograms);
test.after.each(removeFolders);

const canLook = existsSync("/proc/thread-self/syscall");
if (!canLook) console.log("waiters that the lock has forgotten: skipped: /proc");
const testThere = canLook ? test : test.skip;

async function forgetfulHolder(home: string): Promise<Program> {
  const holder = new Program("../index/forgetful-holder.ts", [home]);
  await holder.expect();
  return holder;
}

/** The lock lets go and forgets, and nobody wants it any more. */
async function expectHad(waiter: Program, holder: Program): Promise<void> {
  assert.equal(await holder.expect(), { forgotten: true });
  assert.is(await within(20_000, "the lock", () => waiter.expect()), "had");
  holder.tell("go");
  await Promise.all([holder.end(), waiter.end()]);
}

testThere("have it all the same, though nobody wants it any more", async () => {
  const home = newLockHome();
  const waiter = new Program("../index/forgotten-waiter.ts", [home, "another thread"]);
  assert.is(await waiter.expect(), "open");
  const holder = await forgetfulHolder(home);
  waiter.tell("go");
  await expectHad(waiter, holder);
});

testThere("have it too where they wait on the thread that opens it", async () => {
  const home = newLockHome();
  const holder = await forgetfulHolder(home);
  await expectHad(new Program("../index/forgotten-waiter.ts", [home, "its own"]), holder);
});

test.run();
