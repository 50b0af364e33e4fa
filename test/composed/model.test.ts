import fastCheck from "fast-check";
import { suite } from "uvu";
import type { ArtifactStore } from "../../engine/api.ts";
import { removeFolders } from "../helpers/folders.ts";
import type { Call } from "../model/store-commands.ts";
import { anyCall, anyLargeCall } from "../model/store-commands.ts";
import { StoreRun } from "../model/store-run.ts";
import { cleanUp, parameters } from "../model/support.ts";
import type { Parts } from "./stores.ts";
import { TestPlace } from "./stores.ts";
import "../helpers/whole-suites.ts";

const test = suite("stores over ports against the model of the embedded one");
test.after.each(removeFolders);

async function runCalls(parts: Parts, calls: readonly Call[], isExact: boolean): Promise<void> {
  const place = new TestPlace(parts);
  let open: ArtifactStore | undefined;
  const reopen = async (store: ArtifactStore | undefined, clock: () => Date) => {
    await store?.close();
    // What is compacted then goes at once.
    if (store) place.settle();
    open = await place.open({ clock });
    return open;
  };
  try {
    await new StoreRun(reopen, isExact, true).run(calls);
  } finally {
    await open?.close();
    await cleanUp();
    removeFolders();
  }
}

const PARTS: Parts[] = [
  { metadata: "sqlite", blobs: "folder" },
  { metadata: "sqlite", blobs: "log" },
  { metadata: "embedded", blobs: "folder" },
];

for (const parts of PARTS) {
  const name = `${parts.metadata} and ${parts.blobs}`;

  test(`any sequence of calls agrees with the model: ${name}`, async () => {
    const calls = fastCheck.array(anyCall, { maxLength: 40, size: "max" });
    const property = fastCheck.asyncProperty(calls, (all) => runCalls(parts, all, true));
    await fastCheck.assert(property, parameters(12));
  });

  test(`with large values too: ${name}`, async () => {
    const calls = fastCheck.array(anyLargeCall, { maxLength: 15, size: "max" });
    const property = fastCheck.asyncProperty(calls, (all) => runCalls(parts, all, false));
    await fastCheck.assert(property, parameters(3));
  });
}

test.run();
