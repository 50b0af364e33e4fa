import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { crashStates } from "../crash/power-cut-states.ts";
import { SimulatedDisk } from "../crash/simulated-disk.ts";
import { failure } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";
import { openSmall } from "./compact-support.ts";

const test = suite("compaction, over power cuts");
test.after.each(closeAll);

test("whatever a power cut leaves of a name that could not be put on the disk, what was saved since is there", async () => {
  const disk = new SimulatedDisk(newFolder());
  const store = await openSmall(disk.home, { files: disk });
  const value = "g".repeat(2000);
  const { ref } = await store.save("gone", value);
  await store.delete(ref);
  disk.hooks.fault = ({ kind, path }) => {
    const isNamed = [...disk.contents().keys()].some((name) => name.includes("-") && name.endsWith(".varve"));
    return kind === "syncFolder" && path === disk.log && isNamed ? { code: "EIO" } : undefined;
  };
  await failure(store.compact(), "IO");
  disk.hooks.fault = undefined;
  const later = await store.save("later", value);
  for (const { files, how } of crashStates(disk, new Random("name"), 20)) {
    const home = newFolder();
    mkdirSync(join(home, "log"));
    for (const [name, bytes] of files ?? []) writeFileSync(join(home, "log", name), bytes);
    const found = await openTestStore(home);
    const loaded = await found.load(later.ref).catch((error: Error) => error.message);
    assert.is(loaded, value, `${how}: ${[...((files ?? []).keys?.() ?? [])]}`);
    await found.close();
  }
});

test.run();
