import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BlobStore, MetadataStore } from "../../engine/main.ts";
import { makeTree, noise } from "../conformance/store-support.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll } from "../helpers/stores.ts";
import "../helpers/whole-suites.ts";
import { openNoted, SQLITE_AND_FOLDER, TestPlace } from "./stores.ts";

const test = suite("verification beside compactions of others");
test.after.each(closeAll);

test("what is deleted and collected while a verification looks at it is no damage, unlike what a version needs", async () => {
  const place = new TestPlace(SQLITE_AND_FOLDER);
  const tree = makeTree(join(newFolder(), "tree"), { "a.txt": "alpha", "b/c": noise(3_000) });
  const { store: other } = await openNoted({}, place);
  let between: (() => Promise<void>) | undefined;
  // A page of versions is known by then.
  const overBlobs = (blobs: BlobStore): Partial<BlobStore> => ({
    sizeOf: async (digest, options) => {
      const meanwhile = between;
      between = undefined;
      await meanwhile?.();
      return blobs.sizeOf(digest, options);
    },
  });
  const { store } = await openNoted({ overBlobs }, place);
  await other.saveDirectory("a-tree", tree);
  await other.save("b", noise(2_000, 2));
  for (const full of [false, true]) {
    between = async () => {
      for (const ref of ["a-tree:latest", "b:latest"]) await other.delete(ref);
      place.settle();
      assert.ok((await other.compact()).blobs > 3);
    };
    assert.equal((await store.verify({ full })).problems, []);
    await other.saveDirectory("a-tree", tree);
    await other.save("b", noise(2_000, 2));
  }
  const needed = noise(2_000, 9);
  await other.save("needed", needed);
  const [path] = place.blobFiles().filter((file) => readFileSync(file).equals(needed));
  rmSync(path!);
  const { problems } = await store.verify();
  assert.equal(
    problems.map((problem) => [problem.kind, "refs" in problem && problem.refs]),
    [["missing", ["needed:0"]]],
  );
});

test("bytes that were gone for a moment are no damage of who has them again", async () => {
  const place = new TestPlace(SQLITE_AND_FOLDER);
  const { store: other } = await openNoted({}, place);
  const bytes = noise(2_000, 2);
  const overMetadata = (metadata: MetadataStore): Partial<MetadataStore> => ({
    at: async (name, version, options) => {
      if (name === "a") await other.save("z", bytes);
      return metadata.at(name, version, options);
    },
    // As one that is on a page of its own.
    list: async function* (query, options) {
      yield* metadata.list(query, options);
      const last = query.mode === "live" ? await metadata.at("z", 0) : undefined;
      if (last) yield last;
    },
  });
  let isFirst = true;
  const overBlobs = (blobs: BlobStore): Partial<BlobStore> => ({
    sizeOf: async (digest, options) => {
      if (isFirst) {
        isFirst = false;
        await other.delete("a:0");
        place.settle();
        assert.is((await other.compact()).blobs, 1);
      }
      return blobs.sizeOf(digest, options);
    },
  });
  await other.save("a", bytes);
  const { store } = await openNoted({ overBlobs, overMetadata }, place);
  assert.equal((await store.verify()).problems, []);
  assert.is(isFirst, false);
  assert.equal(Buffer.from(await other.load<Uint8Array>("z:0")), bytes);
});

test.run();
