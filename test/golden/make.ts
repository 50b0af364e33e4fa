/**
 * Makes the golden stores of the newest format: `node --import tsx test/golden/make.ts`. Only for a format that has none
 * yet; those that are there are never made again, since they stand for what released versions have written.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { familyOf } from "../../engine/artifact-key.ts";
import { openEngine } from "../../engine/key-value.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { FORMAT_VERSION, RecordKind } from "../../engine/log/format.ts";
import type { ScannedRecord } from "../../engine/log/scan.ts";
import { listSegments } from "../../engine/log/segment.ts";
import { openStore } from "../../engine/main.ts";
import { openCore } from "../../engine/open.ts";
import { deadBlobs, rewriteSegments, withoutBlobs } from "../helpers/rewriting.ts";
import { fillEngine, fillStore, pointCodec, steppingClock } from "./contents.ts";

const SEGMENT_BYTES_MAX = 1_024;
const folder = join(import.meta.dirname, `format-${FORMAT_VERSION}`);
if (existsSync(folder)) throw new Error(`${folder} is there already`);

for (const application of ["artifact", "keyvalue"] as const) {
  const home = join(folder, application);
  mkdirSync(home, { recursive: true });
  const clock = steppingClock();
  // Whoever opens a home first in a process decides on the size of its segments.
  const options = { application, clock, segmentBytesMax: SEGMENT_BYTES_MAX };
  const handle = await openCore(home, application === "artifact" ? { ...options, familyOf } : options);
  if (application === "artifact") {
    const store = await openStore({ home, clock, codecs: [pointCodec], environment: false });
    await fillStore(store);
    await store.close();
  } else {
    const engine = await openEngine(home);
    await fillEngine(engine);
    await engine.close();
  }
  await handle.release();
  const log = join(home, "log");
  const isLive = withoutBlobs(...deadBlobs(log));
  // Of history an alias that was deleted later: its batch goes as a whole.
  const isHistory = ({ kind, key }: ScannedRecord) => kind === RecordKind.put && key.includes("candidate");
  const keeps = (record: ScannedRecord) => isLive(record) && !isHistory(record);
  const sealed = listSegments(nodeFileSystem, log).slice(0, -1);
  const first = await rewriteSegments(log, sealed.slice(0, 1), { keeps });
  // Some are rewritten twice, some together, and some not at all.
  if (sealed.length > 3) await rewriteSegments(log, [first, sealed[1]!], { keeps });
  if (sealed.length > 3) await rewriteSegments(log, sealed.slice(3), { keeps });
  // Only the log is the format; the index is made from it.
  for (const name of ["lock", "index-1"]) rmSync(join(home, name), { recursive: true, force: true });
}
