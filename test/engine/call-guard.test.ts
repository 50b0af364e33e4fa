import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CallGuard } from "../../engine/call-guard.ts";
import { indexDamage, indexReplaced } from "../../engine/index/damage.ts";
import { VarveError } from "../../engine/main.ts";
import { failureWithHint } from "../helpers/errors.ts";

/** Calls that meet a place in the log that was given up while their process was stopped. */
const test = suite("calls that are tried again");

const retired = () => new VarveError("CORRUPTION", "rewritten", { details: { retired: true } });

/** Fails so often, then gives what it was asked for. */
function failing(times: number): () => Promise<number> {
  let left = times;
  return async () => {
    if (left-- > 0) throw retired();
    return 1;
  };
}

test("a call that only reads begins again; what it can't find even so is NOT_FOUND", async () => {
  const guard = new CallGuard("store");
  assert.is(await guard.read(undefined, failing(3)), 1);
  await failureWithHint(guard.read(undefined, failing(100)), "NOT_FOUND");
});

test("one that reads from a state of before is UNAVAILABLE, as are the later steps of a list", async () => {
  const guard = new CallGuard("store");
  await failureWithHint(guard.run(undefined, failing(1)), "UNAVAILABLE");
  const steps = [failing(2), failing(0), failing(1)];
  const list = guard.iterate(undefined, async function* () {
    for (const step of steps) yield await step();
  });
  assert.equal(await list.next(), { value: 1, done: false }, "begun again");
  assert.equal(await list.next(), { value: 1, done: false });
  await failureWithHint(list.next(), "UNAVAILABLE");
});

/** A list whose second step fails. */
async function begun(error: VarveError, heal: () => Promise<boolean>): Promise<AsyncGenerator<number>> {
  const list = new CallGuard("store", heal).iterate(undefined, async function* () {
    yield 1;
    throw error;
  });
  assert.is((await list.next()).value, 1);
  return list;
}

test("a list in the midst of which the index was made anew is UNAVAILABLE, and CORRUPTION where that was damaged", async () => {
  const healing = async () => true;
  const replaced = await begun(indexReplaced(), healing);
  assert.match((await failureWithHint(replaced.next(), "UNAVAILABLE")).hint!, /list again/);
  const damaged = await begun(indexDamage("damaged"), healing);
  const told = await failureWithHint(damaged.next(), "CORRUPTION");
  assert.match(told.hint!, /list again/);
  assert.equal(told.details, { index: true });
  const lasting = await begun(indexDamage("it can't be made anew"), async () => false);
  assert.is((await failureWithHint(lasting.next(), "CORRUPTION")).message, "it can't be made anew");
});

test.run();
