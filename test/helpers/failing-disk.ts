import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import type { ArtifactStore, StoreStats } from "../../engine/api.ts";
import { decodeSegmentHeader } from "../../engine/log/format.ts";
import type { OpenOptions } from "../../engine/open.ts";
import { cutFile, segmentsOf, sizeOf } from "./damage.ts";
import { gate, systemError, WatchedFiles } from "./files.ts";
import { copyHome, newFolder } from "./folders.ts";
import { Program } from "./processes.ts";
import { openSeamStore, openTestStore } from "./stores.ts";

/** Long enough for what was begun to come as far as it can. */
export const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 20));
export const isSegment = (path: string) => path.endsWith(".varve");

/** A store on a disk that does what a test says. */
interface Seam {
  files: WatchedFiles;
  home: string;
  store: ArtifactStore;
  warnings: string[];
}

export async function newSeam(
  durability: "durable" | "buffered" = "durable",
  options: Partial<OpenOptions> = {},
): Promise<Seam> {
  const files = new WatchedFiles();
  const home = newFolder();
  const warnings: string[] = [];
  const log = (message: string) => void warnings.push(message);
  const logger = { debug: log, info: log, warn: log, error: log };
  const store = await openSeamStore(home, { files, logger, ...options }, durability);
  return { files, home, store, warnings };
}

/** The next sync of a segment fails, and what is done before it is said. */
export function failOnce(files: WatchedFiles, before: (path: string) => void = () => {}): void {
  files.onSync = (path) => {
    if (!isSegment(path)) return;
    files.onSync = undefined;
    before(path);
    throw systemError("EIO", "fdatasync");
  };
}

export function failAll(files: WatchedFiles, code = "EIO"): void {
  files.onSync = () => {
    throw systemError(code, "fdatasync");
  };
}

/** The next sync of a segment waits until the gate is opened, and fails then. */
export function failHeld(files: WatchedFiles): ReturnType<typeof gate> {
  const syncing = gate();
  files.onSync = (path) => {
    if (!isSegment(path)) return;
    files.onSync = undefined;
    return syncing.opened.then(() => Promise.reject(systemError("EIO", "fdatasync")));
  };
  return syncing;
}

/** From now on the disk does what it is asked for. */
export function healAll(files: WatchedFiles): void {
  files.onOpen = files.onAppend = files.onSync = files.onPublish = files.onSyncFolder = undefined;
}

const withoutSizes = (stats: StoreStats) => ({ ...stats, logBytes: 0, indexBytes: 0 });

/** Nothing behind a cut is needed any more: a disk may have lost it. */
function dropWhatIsCut(home: string): void {
  const segments = segmentsOf(home);
  for (const [i, next] of segments.entries()) {
    const { previousNumber, previousEnd } = decodeSegmentHeader(readFileSync(next), next);
    if (previousNumber > 0 && sizeOf(segments[i - 1]!) > previousEnd) cutFile(segments[i - 1]!, previousEnd);
  }
}

/** The index is what the log makes, here and in a copy that has nothing of the shared state. */
export async function assertWhole(home: string, store: ArtifactStore): Promise<void> {
  dropWhatIsCut(home);
  for await (const { ref } of store.list({ allVersions: true })) await store.load(ref);
  const report = await store.verify({ full: true });
  assert.equal(report.problems, []);
  const before = await store.stats();
  const copy = await openTestStore(copyHome(home));
  assert.equal(withoutSizes(await copy.stats()), withoutSizes(before));
  assert.equal((await copy.verify({ full: true })).problems, []);
  await copy.close();
  await store.rebuildIndex();
  assert.equal(withoutSizes(await store.stats()), withoutSizes(before));
}

/** `seam-saver.ts` with the store open. */
export async function startSaver(
  home: string,
  durability: "durable" | "buffered",
  segmentBytesMax?: number,
): Promise<Program> {
  const more = segmentBytesMax === undefined ? [] : [String(segmentBytesMax)];
  const saver = new Program("../engine/seam-saver.ts", [home, durability, ...more]);
  await saver.expect();
  return saver;
}

export async function closeSaver(saver: Program): Promise<void> {
  saver.tell("close");
  await saver.ended();
}
