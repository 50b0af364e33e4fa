import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { MetadataStore } from "../../engine/main.ts";
import { rejected, save, succeeded, unit } from "../conformance/metadata-support.ts";
import "../helpers/whole-suites.ts";
import { allDatabases } from "./databases.ts";
import { endAll, openTest, WRITABLE } from "./support.ts";

const NAME = "metadata: operations in pages";
const test = suite(NAME);
test.after.each(endAll);
/** As many as are read at once. */
const PAGE = 500;

/** Units of so many operations each. */
async function commitAll(store: MetadataStore, sizes: readonly number[]): Promise<void> {
  const units = sizes.map((size, i) =>
    unit(Array.from({ length: size }, (_, each) => save(`n/${i}/${each}`))),
  );
  for (const result of await store.commit(units)) succeeded(result);
}

/** Reads so many, then what stands between two pages happens, and then the rest. */
async function readAround(
  store: MetadataStore,
  count: number,
  between: () => Promise<unknown>,
): Promise<number[]> {
  const sequences: number[] = [];
  for await (const { sequence } of store.operations(0)) {
    sequences.push(sequence);
    if (sequences.length === count) await between();
  }
  return sequences;
}

for (const { name, place } of allDatabases(NAME)) {
  test(`${name}: what was read may be forgotten while the rest is read`, async () => {
    const { url, remove } = await place();
    const store = await openTest(url, WRITABLE);
    await commitAll(store, [PAGE - 3, 3, 1, 1]);
    const read = await readAround(store, PAGE, () => store.compact({ historyBefore: 2 }));
    assert.equal(read.slice(-4), [2, 2, 3, 4]);
    await store.close();
    await remove();
  });

  test(`${name}: that a part of a batch is forgotten which was not read yet is told`, async () => {
    const { url, remove } = await place();
    const store = await openTest(url, WRITABLE);
    await commitAll(store, [PAGE - 3, 5, 1]);
    await rejected(
      readAround(store, PAGE, () => store.compact({ historyBefore: 2 })),
      "NOT_FOUND",
    );
    await store.close();
    await remove();
  });

  test(`${name}: batches that lie over the end of a page are told whole`, async () => {
    const { url, remove } = await place();
    const store = await openTest(url, WRITABLE);
    const sizes = [PAGE - 3, 5, 1, 2 * PAGE, 1, PAGE];
    await commitAll(store, sizes);
    const read = await readAround(store, 0, async () => {});
    assert.equal(
      read,
      sizes.flatMap((size, i) => new Array<number>(size).fill(i + 1)),
    );
    await store.close();
    await remove();
  });
}

test.run();
