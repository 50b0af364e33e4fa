import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Artifact, Directory } from "../../engine/api.ts";
import { failure } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";
import { entriesOf, manyFiles, newTree, restores, textOf } from "./directories-support.ts";
import { BUFFERED, collected, listed, MIB, noise, same, waiting, whole } from "./support.ts";

/** What an artifact gives whose version was deleted and compacted away since it was looked up. */
const test = suite("large values held from before");
test.after.each(closeAll);

const random = new Random("large values held from before");

/** As many as make a manifest of several nodes. */
const FILES = 1_500;

/** A store with a value that has a list of lists, and a tree. */
async function filled() {
  const store = await openTestStore(newFolder(), BUFFERED);
  const bytes = listed(random, 3);
  const root = newTree({ ...manyFiles(FILES), "z/large": noise(random, 2 * MIB) });
  await store.save("a", bytes);
  await store.saveDirectory("tree", root);
  return { store, bytes, root };
}

test("artifacts of an open list are whole, and say that they were deleted once it is closed", async () => {
  const { store, bytes, root } = await filled();
  const list = store.list()[Symbol.asyncIterator]();
  const value = (await list.next()).value as Artifact;
  const tree = (await list.next()).value as Artifact;
  for (const { ref } of [value, tree]) await store.delete(ref);
  assert.ok((await store.compact({ deadShare: 0 })).freedBytes > bytes.length);

  same(await value.value<Uint8Array>(), bytes);
  same(await value.bytes({ start: 5 * MIB, end: 6 * MIB }), bytes.subarray(5 * MIB, 6 * MIB));
  same(await collected(value.stream()), bytes);
  await restores(tree, root);
  const directory = await tree.value<Directory>();
  assert.is((await entriesOf(directory)).length, FILES + 1);
  assert.is((await directory.read("z/large")).length, 2 * MIB);
  // The piece of the manifest that this reads stays in memory.
  assert.match(await textOf(directory, "d0/f00000"), /^content 0\n/);

  await list.return!();
  for (const call of [
    () => value.value(),
    () => collected(value.stream()),
    () => tree.writeTo(`${newFolder()}/target`),
    () => directory.read("d0/f00000"),
    () => directory.read("d9/f00009"),
    () => directory.read("z/large"),
    () => collected(directory.stream("d0/f00000")),
    () => collected(directory.stream("z/large")),
    () => directory.writeTo(`${newFolder()}/target`),
    () => entriesOf(directory),
  ])
    await failure(call, "NOT_FOUND");
  await whole(store);
});

test("a stream that met what is compacted away before its end is saved all the same", async () => {
  const store = await openTestStore(newFolder(), BUFFERED);
  const bytes = noise(random, 12 * MIB);
  await store.save("old", bytes);
  await store.delete("old:0");
  const { source, waits, goOn } = waiting(bytes);
  const saving = store.save("a", source);
  await waits;
  await store.compact();
  goOn();
  await saving;
  same(await store.load<Uint8Array>("a"), bytes);
  await whole(store);
});

test.run();
