import { cpSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import type { ScannedRecord } from "../../engine/log/scan.ts";
import { listSegments } from "../../engine/log/segment.ts";
import { newFolder } from "../helpers/folders.ts";
import { deadBlobs, rewriteSegments, withoutBlobs } from "../helpers/rewriting.ts";
import { openSeamStore } from "../helpers/stores.ts";

const SEGMENT_BYTES_MAX = 1_500;
export const NAMES = 12;

/** Deleted, so that their values are dead. */
const DELETED = [1, 4, 5, 9];
export const LEFT = Array.from({ length: NAMES }, (_, n) => n).filter((n) => !DELETED.includes(n));

/** Each its own bytes, too many for a row of the index. */
export const marked = (n: number, version = 0) => `MARK-${n}-${version} `.repeat(40);
export const logOf = (home: string) => join(home, "log");
export const idsOf = (home: string) => listSegments(nodeFileSystem, logOf(home));
export const openSmall = (home: string) => openSeamStore(home, { segmentBytesMax: SEGMENT_BYTES_MAX });

export async function fill(store: ArtifactStore): Promise<void> {
  for (let n = 0; n < NAMES; n++) {
    await store.save(`n/${n}`, marked(n), { tags: { n: String(n) } });
    if (n === 2) for (const mark of ["once", "twice"]) await store.annotate("n/2:0", { tags: { mark } });
  }
  for (const n of DELETED) await store.delete(`n/${n}:0`);
  await store.annotate("n/3:0", { tags: { again: "yes" } });
  await store.save("n/0", marked(0, 1));
  await store.setAlias("n/0", "first", 0);
}

export async function newHome(): Promise<string> {
  const home = newFolder();
  const store = await openSmall(home);
  await fill(store);
  await store.close();
  return home;
}

/** What everybody may know of a store: all that lives in it, and that the rest was deleted. */
export async function stateOf(store: ArtifactStore): Promise<unknown> {
  const state = [];
  for (const deleted of [false, true])
    for await (const artifact of store.list({ allVersions: true, deleted })) {
      const { ref, tags, version, createdAt, bytes } = JSON.parse(JSON.stringify(artifact));
      const value = deleted ? undefined : await store.load(ref);
      state.push({ deleted, ref, tags, version, createdAt, bytes, value });
    }
  return [state, await store.aliases("n/0")];
}

/** Of all that is sealed, what `runs` says, by places in the list of segments. */
export async function rewrite(home: string, runs: readonly (readonly [number, number])[]): Promise<number[]> {
  const log = logOf(home);
  const isLive = withoutBlobs(...deadBlobs(log));
  // And a batch that is history, so that a sequence is left out.
  const keeps = (record: ScannedRecord) => isLive(record) && !record.payload?.includes("once");
  const before = idsOf(home);
  const made = [];
  for (const [from, to] of runs) made.push(await rewriteSegments(log, before.slice(from, to), { keeps }));
  return made;
}

/** Nothing but the log, as a copy: what opens it makes the index anew. */
export function logOnly(home: string): string {
  const copy = join(newFolder(), "copy");
  cpSync(logOf(home), logOf(copy), { recursive: true });
  return copy;
}

export async function isWhole(store: ArtifactStore): Promise<void> {
  for (const full of [false, true]) assert.equal((await store.verify({ full })).problems, []);
}
