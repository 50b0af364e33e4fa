import { suite } from "uvu";
import * as assert from "uvu/assert";
import { IdlePacking } from "../../engine/idle-packing.ts";
import type { Pace } from "../../engine/maintenance/pace.ts";
import type { PackOptions } from "../../engine/maintenance/pack.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { until } from "../helpers/time.ts";

/** When an index is packed by itself, over a log that says what it is to. */
const test = suite("the moment to pack an index");
test.after.each(removeFolders);

/** One over nothing, whose log has the sequence that `sequenceAt` gives for a look. */
function idlePacking(
  sequenceAt: (look: number) => number,
  packs: (look: number, pace: Pace) => Promise<void>,
) {
  let looks = 0;
  const run = <T>(action: () => T) => Promise.resolve(action());
  const lease = { isOurs: () => true, release() {} };
  const lock = {
    ...{ hold: run, takeCompactor: () => lease },
    holdWithin: (_: number, action: () => unknown) => run(action),
  };
  const size = { fileBytes: 2, usedBytes: 1, pageBytes: 1, entries: 1 };
  const source = {
    ...{
      lock,
      indexFolder: newFolder(),
      catalog: { refresh() {}, size: () => size, packedEntries: () => 0 },
    },
    sharedState: () => ({ tail: { sequence: sequenceAt(++looks) } }),
    pack: ({ pace }: PackOptions) => packs(looks, pace),
  };
  const packing = { look: 2, bytesMin: 0, growth: 0, sparedPart: 0 };
  const settings = { packing, lockWaitMax: 1_000, minFreeSpace: 0, onTrouble: assert.unreachable };
  const end = Object.defineProperty({ lock }, "written", { get: () => sequenceAt(looks) + 1 });
  const parts = { settings, source, end, isSyncing: () => false, follow: async () => {} };
  return new IdlePacking(parts as never);
}

test("it is not begun while somebody writes, wherever", async () => {
  const begun: number[] = [];
  const idle = idlePacking(
    (look) => Math.min(look, 20),
    async (look) => void begun.push(look),
  );
  await until("a beginning", () => begun.length > 0);
  await idle.stop();
  // From the twentieth look to the next one nobody has written.
  assert.equal(begun, [21]);
});

test("writers that come back each time are waited for ever longer", async () => {
  let sequence = 1;
  const begun: number[] = [];
  const idle = idlePacking(
    () => sequence,
    async (look, pace) => {
      begun.push(look);
      // Others write until it ends.
      for (sequence += 100; ; sequence++) await pace.turn();
    },
  );
  await until("four beginnings", () => begun.length === 4);
  await idle.stop();
  const waited = begun.slice(1).map((look, i) => look - begun[i]!);
  assert.ok(waited[1]! > waited[0]! && waited[2]! > waited[1]! + 3, `${waited} looks`);
});

test.run();
