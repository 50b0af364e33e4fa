import fs from "node:fs";
import type { FileSystem, LogFile } from "../../engine/log/file.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { at, isAimedAt } from "./points.ts";
import type { Point } from "./points-list.ts";

/** The file that compaction writes; the old ones that it removes. */
const REWRITTEN = /\/new-c0c0c0c0[0-9a-f]+\.tmp$/;
const SEGMENT = /\/\d{10}(-\d+)?\.varve$/;
/** Of a backup. */
const PREPARED = /\/backup-[0-9a-f]+\.tmp$/;

/** The real disk, with the points of the log's seam. */
export const filesWithPoints: FileSystem = {
  ...nodeFileSystem,
  open(path, mode) {
    // What a backup writes has points of its own.
    if (PREPARED.test(path)) return nodeFileSystem.open(path, mode);
    if (REWRITTEN.test(path) && mode === "create") return createRewritten(path);
    if (mode === "create") at("create segment: before");
    if (mode === "append") at("open segment: before");
    const file = nodeFileSystem.open(path, mode);
    if (mode === "create") at("create segment: after");
    if (mode === "append") at("open segment: after");
    return withPoints(file, mode);
  },
  makeFolder(path) {
    at("make folder: before");
    nodeFileSystem.makeFolder(path);
    at("make folder: after");
  },
  publish(from, to) {
    const what = REWRITTEN.test(from) ? "rewritten" : "segment";
    at(`publish ${what}: before`);
    // As the real one does it.
    fs.linkSync(from, to);
    at(`publish ${what}: both names`);
    fs.rmSync(from);
    at(`publish ${what}: after`);
  },
  replace(from, to) {
    nodeFileSystem.replace(from, to);
    if (PREPARED.test(from) && SEGMENT.test(to)) at("backup copied: half of its names");
  },
  remove(path) {
    const what = SEGMENT.test(path) ? "old segment" : "file";
    at(`remove ${what}: before`);
    nodeFileSystem.remove(path);
    at(`remove ${what}: after`);
  },
  syncFolder(path) {
    at("sync folder: before");
    nodeFileSystem.syncFolder(path);
    at("sync folder: after");
  },
};

function createRewritten(path: string): LogFile {
  at("create rewritten: before");
  const file = nodeFileSystem.open(path, "create");
  at("create rewritten: after");
  return {
    ...withPoints(file, "read"),
    append(pieces) {
      at("write rewritten: before");
      inHalves(file, pieces, "write rewritten: half-way");
      at("write rewritten: after");
    },
    async syncAsync() {
      at("sync rewritten: before");
      await file.syncAsync();
      at("sync rewritten: after");
    },
  };
}

function withPoints(file: LogFile, mode: "read" | "append" | "create"): LogFile {
  return {
    read: (into, position) => file.read(into, position),
    readAsync: (into, position) => file.readAsync(into, position),
    size: () => file.size(),
    close: () => file.close(),
    closeAsync: () => file.closeAsync(),
    append: (pieces) => (mode === "create" ? appendHeader(file, pieces) : appendBatches(file, pieces)),
    sync() {
      if (mode === "create") at("sync header: before");
      if (mode === "append") at("sync full segment: before");
      file.sync();
      if (mode === "create") at("sync header: after");
      if (mode === "append") at("sync full segment: after");
    },
    async syncAsync() {
      at("sync group: before");
      await file.syncAsync();
      at("sync group: after");
    },
  };
}

function appendHeader(file: LogFile, pieces: readonly Uint8Array[]): void {
  at("write header: before");
  inHalves(file, pieces, "write header: half-way");
  at("write header: after");
}

function appendBatches(file: LogFile, pieces: readonly Uint8Array[]): void {
  at("append group: before");
  inHalves(file, pieces, "append group: half-way");
  at("append group: after");
}

function inHalves(file: LogFile, pieces: readonly Uint8Array[], point: Point): void {
  if (!isAimedAt(point)) {
    file.append(pieces);
    return;
  }
  const bytes = Buffer.concat(pieces);
  const half = Math.floor(bytes.length / 2);
  file.append([bytes.subarray(0, half)]);
  at(point);
  file.append([bytes.subarray(half)]);
}
