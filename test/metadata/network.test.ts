import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { MetadataStore } from "../../engine/main.ts";
import { all, apply, latest, refsOf, rejected, save, unit } from "../conformance/metadata-support.ts";
import "../helpers/whole-suites.ts";
import { COMMIT, type Fate, type Relay } from "../services/relay.ts";
import { serverDatabases } from "./databases.ts";
import { endAll, newRelay, openTest, throughPort, until, WRITABLE } from "./support.ts";

const NAME = "metadata: a network that fails";
const test = suite(NAME);
test.after.each(endAll);
/** Soon, so that no test takes long: nothing that is asserted depends on it. */
const SOON = { ...WRITABLE, lockWaitMax: 1000, connectWaitMax: 1500, statementWaitMax: 2000 };

interface Parts {
  relay: Relay;
  /** Behind the relay. */
  store: MetadataStore;
  /** Not behind it. */
  other: MetadataStore;
  connections(): Promise<number>;
}

for (const { name, place } of serverDatabases(NAME)) {
  const cases = (title: string, run: (parts: Parts) => Promise<void>) =>
    test(`${name}: ${title}`, async () => {
      const fresh = await place();
      const relay = await newRelay(fresh.url);
      const other = await openTest(fresh.url, WRITABLE);
      const store = await openTest(throughPort(fresh.url, relay.port), SOON);
      await run({ relay, store, other, connections: () => fresh.connections() });
      // What was committed is whole, and the store goes on as if nothing had been.
      relay.isSilent = false;
      relay.fate = () => "pass";
      await apply(store, save("behind"));
      assert.equal(await other.check(), []);
      const sequences = (await all(other.operations(0))).map(({ sequence }) => sequence);
      assert.equal(
        sequences,
        sequences.map((_, i) => i + 1),
      );
      await store.close();
      await other.close();
      await until(async () => (await fresh.connections()) === 0);
      await relay.close();
      await fresh.remove();
    });

  /** The first time that a client sends it. */
  const once = (relay: Relay, text: RegExp, fate: Fate) => {
    let isDone = false;
    relay.fate = (sent) => {
      if (isDone || !text.test(sent)) return "pass";
      isDone = true;
      return fate;
    };
    return () => isDone;
  };

  cases(
    "the reply to a commit is lost: it is looked up, and was a success, once",
    async ({ relay, store, other }) => {
      const wasLost = once(relay, COMMIT, "lose reply");
      const { sequence, versions } = await apply(store, save("a"));
      assert.ok(wasLost());
      assert.is(sequence, 1);
      assert.is(versions[0]!.version, 0);
      assert.equal(await refsOf(other), ["a:0"]);
    },
  );

  cases(
    "a commit is lost on its way: it is looked up, and made again, once",
    async ({ relay, store, other }) => {
      const wasCut = once(relay, COMMIT, "cut");
      const { versions } = await apply(store, save("a"));
      assert.ok(wasCut());
      assert.is(versions[0]!.version, 0);
      assert.equal(await refsOf(other), ["a:0"]);
    },
  );

  cases(
    "a commit arrives after its client is gone: who looks it up waits for it",
    async ({ relay, store, other }) => {
      const wasLate = once(relay, COMMIT, "late");
      const { madeCount } = relay;
      const saving = apply(store, save("a"));
      await until(() => wasLate() && relay.madeCount > madeCount);
      await sleep(100);
      relay.release();
      assert.is((await saving).versions[0]!.version, 0);
      assert.equal(await refsOf(other), ["a:0"]);
      relay.cut();
    },
  );

  cases("in the middle of a transaction: it is made again", async ({ relay, store, other }) => {
    for (const text of [/varve_counter/, /insert into .varve_versions/, /insert into .varve_operations/]) {
      const wasCut = once(relay, text, "cut");
      await apply(store, save("a"));
      // What is prepared already is not sent as text again.
      if (text.source === "varve_counter") assert.ok(wasCut());
    }
    assert.equal(await refsOf(other), ["a:2", "a:1", "a:0"]);
  });

  cases("nobody can be asked what became of a commit: that is said", async ({ relay, store, other }) => {
    let isCommitted = false;
    relay.fate = (text) => {
      if (isCommitted) return "cut";
      isCommitted = COMMIT.test(text);
      return isCommitted ? "lose reply" : "pass";
    };
    const error = await rejected(store.commit([unit([save("a")])]), "UNAVAILABLE");
    assert.is(error.outcome, "unknown");
    assert.equal(await refsOf(other), ["a:0"]);
  });

  cases("it is cut off: calls fail as unavailable and may be repeated", async ({ relay, store, other }) => {
    await apply(store, save("a"));
    relay.fate = () => "cut";
    relay.cut();
    const error = await rejected(store.commit([unit([save("a")])]), "UNAVAILABLE");
    assert.is(error.outcome, undefined, "nothing was written, and that is known");
    await rejected(store.find(latest("a")), "UNAVAILABLE");
    await rejected(all(store.operations(0)), "UNAVAILABLE");
    relay.fate = () => "pass";
    assert.is((await store.find(latest("a")))!.version, 0);
    await apply(store, save("a"));
    assert.equal(await refsOf(other), ["a:1", "a:0"]);
  });

  cases(
    "it falls silent: calls end, and no connection is left behind",
    async ({ relay, store, other, connections }) => {
      await apply(store, save("a"));
      relay.isSilent = true;
      const calls = [
        ...Array.from({ length: 12 }, () => store.find(latest("a"))),
        store.commit([unit([save("b")])]),
        store.counts(),
      ];
      await Promise.all(calls.map((call) => rejected(call, "UNAVAILABLE")));
      relay.isSilent = false;
      assert.equal(await refsOf(other), ["a:0"]);
      // At most those that are open by right: of the other one, and of this one none that was given up.
      await until(async () => relay.linkCount === 0 && (await connections()) <= 10);
      assert.is((await store.find(latest("a")))!.version, 0);
    },
  );

  test(`${name}: cut off anywhere while tables are made, the next one ends it`, async () => {
    for (let at = 2, isDone = false; !isDone; at += 4) {
      const fresh = await place();
      const relay = await newRelay(fresh.url);
      let sent = 0;
      relay.fate = () => (++sent >= at && sent < at + 30 ? "cut" : "pass");
      const failure = await openTest(throughPort(fresh.url, relay.port), SOON).then(
        (store) => {
          // What is sent to say good-bye is not counted.
          isDone = sent < at;
          relay.fate = () => "pass";
          return store.close();
        },
        (error) => error,
      );
      if (!isDone) assert.is(failure?.code, "UNAVAILABLE", failure?.stack);
      const store = await openTest(fresh.url, WRITABLE);
      await apply(store, save("a"));
      assert.equal(await store.check(), []);
      await store.close();
      await relay.close();
      await fresh.remove();
    }
  });
}

test.run();
