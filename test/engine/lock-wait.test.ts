import { suite } from "uvu";
import * as assert from "uvu/assert";
import { newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";
import { within } from "../helpers/time.ts";

const test = suite("waiting for the lock");
test.after.each(killPrograms);
test.after.each(closeAll);

const turns = () => new Promise((resolve) => setTimeout(resolve, 100));

for (const lockWaitMax of [Number.POSITIVE_INFINITY, 3e9]) {
  test(`a lockWaitMax of ${lockWaitMax} waits, and is not a moment`, async () => {
    const home = newFolder();
    const store = await openTestStore(home, { lockWaitMax });
    await store.save("x", 1);
    const holder = new Program("../processes/lock-holder.ts", [home]);
    await holder.expect();
    let settled = 0;
    const calls = [store.save("x", 2), store.rebuildIndex()].map((call) => call.finally(() => settled++));
    await turns();
    holder.tell("go");
    await within(20_000, "what waited", () => Promise.all(calls));
    assert.is(settled, 2);
    await holder.end();
    assert.is(await store.load("x"), 2);
  });
}

test.run();
