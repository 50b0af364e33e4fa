import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Change } from "../../engine/index/catalog.ts";
import { Catalog } from "../../engine/index/catalog.ts";
import { RecordKind } from "../../engine/log/format.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, track } from "../helpers/stores.ts";

const test = suite("catalog");
test.after.each(closeAll);

function newCatalog(): Catalog {
  const catalog = new Catalog(newFolder());
  track({ close: () => catalog.release() });
  return catalog;
}

const digest = (n: number) => Buffer.alloc(32, n);
const key = (text: string) => Buffer.from(`\u0061${text}`);
let offset = 0;
function place(payloadLength = 10) {
  offset += 8;
  return { segment: 1, offset, payloadLength };
}

const blob = (n: number): Change => ({
  kind: RecordKind.blob,
  key: digest(n),
  tag: 0,
  weak: false,
  references: [],
  place: place(),
  content: undefined,
});
const put = (name: string, references: number[], weak = false): Change => ({
  kind: RecordKind.put,
  key: key(name),
  tag: 1,
  weak,
  references: references.map(digest),
  place: place(),
  content: Buffer.from("content"),
});
const remove = (name: string): Change => ({ ...put(name, []), kind: RecordKind.delete, content: undefined });

const countOf = (catalog: Catalog, n: number) => catalog.blob(digest(n))?.referenceCount;

test("references are counted over puts, replacements, weak rows and deletes", () => {
  const catalog = newCatalog();
  const apply = (...changes: Change[]) =>
    catalog.transact(() => {
      for (const each of changes) catalog.apply(each, 1, 1);
    });
  apply(blob(1), blob(2), put("a", [1]));
  assert.equal([countOf(catalog, 1), countOf(catalog, 2)], [1, 0]);
  apply(put("b", [1, 2]), put("c", [1, 1]));
  assert.equal([countOf(catalog, 1), countOf(catalog, 2)], [4, 1]);
  apply(put("a", [2]));
  assert.equal([countOf(catalog, 1), countOf(catalog, 2)], [3, 2]);
  apply(put("c", [1, 1], true));
  assert.equal([countOf(catalog, 1), countOf(catalog, 2)], [1, 2]);
  apply(put("c", [1, 1], true));
  assert.is(countOf(catalog, 1), 1);
  apply(put("c", [1, 1]));
  assert.is(countOf(catalog, 1), 3);
  apply(remove("c"), remove("b"), remove("none"));
  assert.equal([countOf(catalog, 1), countOf(catalog, 2)], [0, 1]);
});

test("a count never falls below none, also when rows came before their blob", () => {
  const catalog = newCatalog();
  const apply = (change: Change) => catalog.transact(() => catalog.apply(change, 1, 1));
  apply(put("a", [1]));
  apply(blob(1));
  apply(remove("a"));
  assert.is(countOf(catalog, 1), 0);
});

test("a second copy of a blob takes the place of the first and keeps its count", () => {
  const catalog = newCatalog();
  const second = blob(1);
  catalog.transact(() => {
    catalog.apply(blob(1), 1, 1);
    catalog.apply(put("a", [1]), 1, 1);
    catalog.apply(second, 2, 1);
  });
  assert.equal(catalog.blob(digest(1)), { place: second.place, referenceCount: 1 });
});

test("undo takes back everything since the mark, and nothing before it, whatever happened in between", () => {
  const random = new Random("undo");
  const catalog = newCatalog();
  const names = ["a", "b", "c", "d"];
  const any = (): Change => {
    const which = random.below(4);
    const name = names[random.below(4)]!;
    if (which === 0) return blob(random.below(5));
    if (which === 1) return remove(name);
    const references = Array.from({ length: random.below(3) }, () => random.below(5));
    return put(name, references, random.below(3) === 0);
  };
  const state = () => ({
    rows: names.map((name) => catalog.row(key(name))),
    blobs: Array.from({ length: 5 }, (_, i) => catalog.blob(digest(i))),
  });
  for (let round = 0; round < 100; round++) {
    let before: unknown;
    catalog.transact(() => {
      for (let i = random.below(4); i > 0; i--) catalog.apply(any(), round + 1, 1);
      before = structuredClone(state());
      catalog.mark();
      for (let i = random.below(10); i > 0; i--) catalog.apply(any(), round + 1, 1);
      catalog.undo();
      assert.equal(structuredClone(state()), before, "within the transaction");
      catalog.unmark();
    });
    assert.equal(structuredClone(state()), before, "after it");
  }
});

test("a transaction that throws leaves nothing", () => {
  const catalog = newCatalog();
  const error = new Error("mine");
  assert.throws(
    () =>
      catalog.transact(() => {
        catalog.apply(blob(1), 1, 1);
        catalog.apply(put("a", [1]), 1, 1);
        catalog.setApplied({ segment: 1, offset: 8, sequence: 1, time: 1, chain: 1n });
        throw error;
      }),
    (caught: unknown) => caught === error,
  );
  assert.is(catalog.row(key("a")), undefined);
  assert.is(catalog.blob(digest(1)), undefined);
  assert.is(catalog.applied()!.sequence, 0);
});

test("short content is kept in the row, long is not", () => {
  const catalog = newCatalog();
  catalog.transact(() => {
    catalog.apply({ ...put("short", []), content: Buffer.alloc(256, 1) }, 1, 1);
    catalog.apply({ ...put("long", []), content: Buffer.alloc(257, 1) }, 1, 1);
  });
  assert.is(catalog.row(key("short"))!.inline!.length, 256);
  assert.is(catalog.row(key("long"))!.inline, undefined);
});

test.run();
