import { suite } from "uvu";
import * as assert from "uvu/assert";
import { all, apply, save } from "../conformance/metadata-support.ts";
import "../helpers/whole-suites.ts";
import { BEGIN, COMMIT, type Link } from "../services/relay.ts";
import { serverDatabases } from "./databases.ts";
import { endAll, newRelay, openTest, throughPort, until, WRITABLE } from "./support.ts";

const NAME = "metadata: a transaction that is held open";
const test = suite(NAME);
test.after.each(endAll);

for (const { name, place } of serverDatabases(NAME)) {
  /** One store behind a relay, and one that is not held up. */
  const opened = async () => {
    const fresh = await place();
    const relay = await newRelay(fresh.url);
    const options = { ...WRITABLE, lockWaitMax: 20_000 };
    const held = await openTest(throughPort(fresh.url, relay.port), options);
    const free = await openTest(fresh.url, options);
    const close = async () => {
      await held.close();
      await free.close();
      await relay.close();
      await fresh.remove();
    };
    return { relay, held, free, close };
  };
  const told = async (store: Awaited<ReturnType<typeof opened>>["free"]) =>
    (await all(store.operations(0))).map(({ sequence, name: of }) => `${sequence} ${of}`);

  test(`${name}: before it has its number, others commit, and it gets a later one`, async () => {
    const { relay, held, free, close } = await opened();
    // What comes behind the beginning of the transaction: the lock.
    const begun = new Set<Link>();
    relay.fate = (text, link) => {
      if (begun.has(link)) return "hold";
      if (BEGIN.test(text)) begun.add(link);
      return "pass";
    };
    const { madeCount } = relay;
    const waiting = apply(held, save("held"));
    await until(() => relay.heldCount > 0);
    assert.is((await apply(free, save("free"))).sequence, 1);
    assert.equal(await told(free), ["1 free"]);
    relay.fate = () => "pass";
    relay.release();
    assert.is((await waiting).sequence, 2);
    assert.equal(await told(free), ["1 free", "2 held"]);
    assert.is(relay.madeCount, madeCount, "it is the transaction that was held, and no second one");
    await close();
  });

  test(`${name}: with its number, it holds back those behind it, and who reads operations sees none of them`, async () => {
    const { relay, held, free, close } = await opened();
    relay.fate = (text) => (COMMIT.test(text) ? "hold" : "pass");
    const { madeCount } = relay;
    const first = apply(held, save("held"));
    await until(() => relay.heldCount > 0);
    let isSecondDone = false;
    const second = apply(free, save("free")).finally(() => {
      isSecondDone = true;
    });
    assert.equal(await told(free), []);
    assert.is(await free.find({ name: "held", kind: "latest", explicit: false }), undefined);
    assert.not(isSecondDone);
    relay.fate = () => "pass";
    relay.release();
    assert.is((await first).sequence, 1);
    assert.is((await second).sequence, 2);
    assert.equal(await told(free), ["1 held", "2 free"]);
    assert.is(relay.madeCount, madeCount);
    await close();
  });
}

test.run();
