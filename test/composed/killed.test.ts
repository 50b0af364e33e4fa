import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Directory } from "../../engine/api.ts";
import { makeTree, noise } from "../conformance/store-support.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { Program } from "../helpers/processes.ts";
import { Random } from "../helpers/random.ts";
import "../helpers/whole-suites.ts";
import type { Parts } from "./stores.ts";
import { TestPlace } from "./stores.ts";

const test = suite("stores over ports whose savers are killed");
test.after.each(removeFolders);

const KILLS = 4;
const LIVES_MILLISECONDS_MAX = 1_500;

interface Told {
  ref?: string;
  number?: number;
  size?: number;
  tree?: string;
  /** Was about to be deleted. */
  gone?: string;
}

/** What a saver was told until it was killed, at any moment. */
async function toldUntilKilled(
  place: TestPlace,
  tree: string,
  seed: number,
  random: Random,
): Promise<Told[]> {
  const { metadata, blobs } = place.parts;
  const program = new Program("../composed/killed-program.ts", [
    ...[place.folder, String(metadata), blobs, tree, String(seed)],
  ]);
  await program.expect();
  const killed = sleep(random.below(LIVES_MILLISECONDS_MAX)).then(() => program.process.kill("SIGKILL"));
  const told: Told[] = [];
  for (;;) {
    // The last line may be cut off.
    const next = await program.next().catch(() => undefined);
    if (!next) break;
    told.push(next);
  }
  await killed;
  return told;
}

async function check(place: TestPlace, told: readonly Told[]): Promise<void> {
  const store = await place.open();
  try {
    assert.equal((await store.verify({ full: true })).problems, [], "a version has all its bytes");
    const gone = new Set(told.map((each) => each.gone));
    for (const { ref, number, size, tree } of told) {
      if (ref && !gone.has(ref))
        assert.equal(Buffer.from(await store.load<Uint8Array>(ref)), noise(size!, number), ref);
      if (tree) assert.is((await store.load<Directory>(tree)).entryCount, 3);
    }
    place.settle();
    const { skipped } = await store.compact();
    assert.equal(skipped, []);
    assert.is((await store.stats()).deadBlobBytes, 0, "what no version needs was collected");
    assert.equal((await store.verify({ full: true })).problems, []);
  } finally {
    await store.close();
  }
}

const PARTS: Parts[] = [
  { metadata: "sqlite", blobs: "folder" },
  { metadata: "sqlite", blobs: "log" },
  { metadata: "embedded", blobs: "folder" },
];

for (const parts of PARTS) {
  test(`whatever was told is there, and nothing dangles: ${parts.metadata} and ${parts.blobs}`, async () => {
    const random = new Random(`kills of ${parts.metadata} and ${parts.blobs}`);
    const place = new TestPlace(parts);
    await (await place.open()).close();
    const tree = makeTree(join(newFolder(), "tree"), {
      a: "1",
      "b/c": noise(40_000, 1),
      d: noise(1_200_000, 2),
    });
    const told: Told[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      told.push(...(await toldUntilKilled(place, tree, kill * 10_000, random)));
      await check(place, told);
    }
    assert.ok(told.length > 0);
  });
}

test.run();
