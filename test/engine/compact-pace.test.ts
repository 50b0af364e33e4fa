import { suite } from "uvu";
import * as assert from "uvu/assert";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { steppingFiles } from "../helpers/stepping-files.ts";
import { closeAll } from "../helpers/stores.ts";
import { Expected, fill, openSmall } from "./compact-support.ts";

const test = suite("compaction beside other work of its process");
test.after.each(closeAll);

test("who has an old file open last, and frees what it took, is another thread", async () => {
  const removed = new Set<string>();
  const open = new Map<string, number>();
  const closed: string[] = [];
  const closing = (path: string, call: string) => {
    open.set(path, open.get(path)! - 1);
    if (removed.has(path)) closed.push(call);
  };
  const files = steppingFiles(["open", "remove", "close", "closeAsync"], {
    after(name, path) {
      if (name === "open") open.set(path, (open.get(path) ?? 0) + 1);
      else if (name !== "remove") closing(path, name);
      else if (path.endsWith(".varve")) {
        removed.add(path);
        assert.is(open.get(path), 1, `${path} is open that often while it is removed`);
      }
    },
  });
  const home = newFolder();
  const store = await openSmall(home, { files });
  const expected = new Expected();
  await fill(store, expected, new Random("old files"), 60);
  // Each file is open for who loads.
  await expected.check(store);
  const { segments, waitingBytes } = await store.compact();
  assert.ok(segments > 1);
  assert.is(waitingBytes, 0);
  assert.is(removed.size, segments);
  assert.equal(new Set(closed), new Set(["closeAsync"]));
  await expected.checkEverywhere(home, store);
});

test.run();
