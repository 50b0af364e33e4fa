import { suite } from "uvu";
import * as assert from "uvu/assert";
import { newFolder } from "../helpers/folders.ts";
import { killPrograms, type Program } from "../helpers/processes.ts";
import { closeAll, closeStores, openSeamStore } from "../helpers/stores.ts";
import { until } from "../helpers/time.ts";
import {
  acknowledged,
  ask,
  checkLoads,
  checkNext,
  compactor,
  fill,
  filledHome,
  LONG,
  name,
  OFTEN,
  reader,
  refs,
  SHORT,
  value,
} from "./leases-support.ts";

/** A process that was taken for gone gives right values, or says that it can't. */
const test = suite("files that were replaced while a process was stopped");
test.after.each(killPrograms);
test.after.each(closeAll);

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Not while it has the lock. */
async function stop(program: Program, other: Program): Promise<void> {
  await until("it is stopped without the lock", async () => {
    program.process.kill("SIGSTOP");
    if (await other.ask("free")) return true;
    program.process.kill("SIGCONT");
    return false;
  });
}

/** Stops it until it is taken for gone, and what it still needs is removed. */
async function moveUnderStopped(stopped: Program, home: string, how = ""): Promise<Program> {
  const moving = await compactor(home, { silenceMax: 1_500 });
  await stop(stopped, moving);
  await moving.ask(`compact ${how}`);
  assert.ok(await acknowledged(moving, LONG), "it is taken for gone");
  assert.ok((await moving.ask("retire")) > 1);
  return moving;
}

for (const readOnly of [false, true]) {
  const who = readOnly ? "a reader" : "a process";
  test(`${who} that was stopped so long that files went goes on with its list, loads the right values, and is waited for again`, async () => {
    const home = await filledHome();
    const stopped = await reader(home, { readOnly });
    await ask(stopped, "list n*");
    const moving = await moveUnderStopped(stopped, home, "forgotten");
    stopped.process.kill("SIGCONT");
    assert.equal(await ask(stopped, "rest"), refs(1));
    assert.ok(await acknowledged(moving, LONG));
    await checkLoads(stopped);
    await ask(stopped, "list n*");
    await pause(SHORT);
    await moving.ask("compact");
    assert.not(await acknowledged(moving, SHORT));
    assert.equal(await ask(stopped, "rest"), refs(1));
  });
}

for (const readOnly of [false, true]) {
  test(`${readOnly ? "a reader" : "a process"} that was stopped goes on with its list too where the index was made anew as well`, async () => {
    const home = await filledHome();
    const stopped = await reader(home, { readOnly });
    await ask(stopped, "list n*");
    await moveUnderStopped(stopped, home);
    await (await openSeamStore(home, { times: OFTEN })).rebuildIndex();
    stopped.process.kill("SIGCONT");
    // At once: its signs of life are overdue, and wait for the lock, when it reads on.
    assert.equal(await ask(stopped, "rest"), refs(1));
    await checkLoads(stopped);
  });
}

for (const readOnly of [false, true]) {
  test(`${readOnly ? "a reader" : "a process"} that does nothing goes along too where the index was made anew first`, async () => {
    const home = await filledHome();
    const idle = await reader(home, { readOnly });
    await ask(idle, `load ${name(3)}`);
    const other = await openSeamStore(home, { times: OFTEN });
    await other.rebuildIndex();
    const moving = await compactor(home);
    await moving.ask("compact");
    assert.ok(await acknowledged(moving, LONG));
    await moving.ask("retire");
    await checkLoads(idle);
  });
}

const PAGE_ROWS = 256;

test("a list whose next artifact was written again, or deleted and dropped, while its process was stopped is UNAVAILABLE", async () => {
  for (const change of ["annotate", "delete"] as const) {
    const home = await filledHome();
    const store = await openSeamStore(home, { times: OFTEN });
    // With the first of the others they are as many as are read at once.
    await store.batch((batch) => {
      for (let i = 0; i < PAGE_ROWS - 1; i++) batch.save(`m${i}`, i);
    });
    const listing = await reader(home);
    await ask(listing, "list *");
    await ask(listing, `skip ${PAGE_ROWS - 1}`);
    if (change === "annotate") await store.annotate(await store.get(name(1)), { metadata: { text: "x" } });
    else await store.delete(name(1));
    await closeStores();
    await moveUnderStopped(listing, home);
    listing.process.kill("SIGCONT");
    const answer = await listing.ask("next");
    assert.is(answer.code, "UNAVAILABLE", JSON.stringify(answer));
    await checkNext(listing, "list n*", 0);
  }
});

test("an artifact in hand whose value was deleted and dropped is NOT_FOUND, and its neighbours are read", async () => {
  const home = newFolder();
  const store = await fill(home);
  const [gone, kept] = [await store.get(name(1)), await store.get(name(2))];
  await store.delete(name(1));
  const moving = await compactor(home);
  await moving.ask("compact forgotten");
  assert.ok(await acknowledged(moving, LONG));
  await moving.ask("retire");
  assert.is(await gone.value().catch(({ code }) => code), "NOT_FOUND");
  assert.is(await kept.value(), value(2));
});

test.run();
