import { suite } from "uvu";
import * as assert from "uvu/assert";
import { IndexView } from "../../engine/index-view.ts";
import type { LogReader } from "../../engine/log/reader.ts";
import type { IndexSource } from "../../engine/maintenance/index-source.ts";
import { closeAll } from "../helpers/stores.ts";

const test = suite("freshness of reads");
test.after.each(closeAll);

/** A source whose rows come to light only when it is refreshed. */
function staged(rows: Set<string>) {
  let visible = new Set(rows);
  const counts = { refreshes: 0 };
  const catalog = {
    row: (key: Buffer) => (visible.has(String(key)) ? { key } : undefined),
    first: ({ start }: { start: Buffer }) =>
      visible.has(String(start)) ? { key: start, row: {} } : undefined,
    applied: () => ({ sequence: 0 }),
    retain: () => {},
    release: async () => {},
    refresh: () => {
      counts.refreshes++;
      visible = new Set(rows);
    },
  };
  const state = { durableSequence: 0, tail: { sequence: 0 }, logEpoch: 0 };
  const source = { catalog, state, refresh: () => state } as unknown as IndexSource;
  return { view: new IndexView(source, {} as LogReader, () => undefined), counts };
}

test("a miss is looked up again in the newest state, within one burst too", async () => {
  const rows = new Set(["a"]);
  const { view } = staged(rows);
  assert.ok(view.row(Buffer.from("a")));
  rows.add("b");
  rows.add("c");
  assert.ok(view.row(Buffer.from("b")), "row");
  rows.add("d");
  assert.ok(view.first({ start: Buffer.from("d"), end: Buffer.from("e") }), "first");
});

test("a burst that never leaves its turn renews its state once, and the next callback renews it again", async () => {
  const rows = new Set(["a"]);
  const { view, counts } = staged(rows);
  await Promise.resolve();
  for (let i = 0; i < 50; i++) {
    view.row(Buffer.from("a"));
    await Promise.resolve();
  }
  const inBurst = counts.refreshes;
  assert.ok(inBurst < 10, `${inBurst}`);
  await new Promise((resolve) => setImmediate(resolve));
  rows.delete("a");
  assert.not(view.row(Buffer.from("a")));
});

test.run();
