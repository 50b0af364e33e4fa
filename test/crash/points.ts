/**
 * The named points at which a process is killed (or stopped) by its own hand. Nothing of this is in the product: the
 * seam to the disk is wrapped, methods of the engine's classes are replaced, and so are functions of `node:fs` for the
 * few files that do not go through the seam.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { parseNodeKey } from "../../engine/artifact-key.ts";
import { Committer } from "../../engine/commit.ts";
import { Catalog } from "../../engine/index/catalog.ts";
import { Gate } from "../../engine/index/gate.ts";
import { LockEnvironment } from "../../engine/index/lock.ts";
import { PinnedWriter } from "../../engine/large/pinned-writer.ts";
import { Pins } from "../../engine/large/pins.ts";
import { BackupClaim } from "../../engine/maintenance/backup/claim.ts";
import { CompactorLock } from "../../engine/maintenance/compact/parts.ts";
import { Retirement } from "../../engine/maintenance/compact/retire.ts";
import { LiveIndex } from "../../engine/maintenance/live-index.ts";
import { Transaction } from "../../engine/transaction.ts";
import type { Point } from "./points-list.ts";

export interface Aim {
  point: Point;
  /** Which time of coming by it is meant, from 1. */
  count: number;
  signal: "SIGKILL" | "SIGSTOP";
}

let aim: Aim | undefined;
let said: (point: string) => void = () => {};

/** Comes by a point. The signal to oneself arrives before the call that sends it returns. */
export function at(point: Point): void {
  if (point !== aim?.point || --aim.count > 0) return;
  const { signal } = aim;
  aim = undefined;
  said(point);
  process.kill(process.pid, signal);
}

/** Whether it is the one to end at. */
export const isAimedAt = (point: Point): boolean => aim?.point === point;

/** From now on the process ends, or stops, where `target` says. `say` is told just before. */
export function takeAim(target: Aim | undefined, say: (point: string) => void): void {
  aim = target;
  said = say;
  if (!target) return;
  replaceMethods();
  replaceFileFunctions();
}

type Method = (this: object, ...values: never[]) => unknown;

/** Puts `around` in the place of a method. */
function replace(
  prototype: object,
  name: string,
  around: (call: () => unknown, values: readonly unknown[]) => unknown,
): void {
  const methods = prototype as Record<string, Method>;
  const method = methods[name];
  if (!method) throw new Error(`there is no ${name} any more: the list of points must follow`);
  methods[name] = function (...values) {
    return around(() => method.apply(this, values), values);
  };
}

function beforeAndAfter(prototype: object, name: string, before: Point, after: Point): void {
  replace(prototype, name, (call) => {
    at(before);
    const result = call();
    if (!(result instanceof Promise)) {
      at(after);
      return result;
    }
    return result.then((value) => {
      at(after);
      return value;
    });
  });
}

/** As `beforeAndAfter`, for a method that runs an action while it has something. */
function around(prototype: object, name: string, points: [Point, Point, Point, Point]): void {
  within(prototype, name, points[1], points[2]);
  beforeAndAfter(prototype, name, points[0], points[3]);
}

function within(prototype: object, name: string, before: Point, after: Point): void {
  const methods = prototype as Record<string, Method>;
  const method = methods[name]!;
  methods[name] = function (this: object, action: (...values: unknown[]) => unknown) {
    return method.call(this, ((...values: unknown[]) => {
      at(before);
      const result = action(...values);
      at(after);
      return result;
    }) as never);
  } as Method;
}

function replaceMethods(): void {
  const lock = LockEnvironment.prototype;
  around(Catalog.prototype, "transact", [
    "index transaction: before",
    "index transaction: begun",
    "index transaction: before its commit",
    "index transaction: after",
  ]);
  around(lock, "hold", [
    "lock, waited for: before",
    "lock, waited for: had",
    "lock, waited for: before its commit",
    "lock, waited for: after",
  ]);
  around(lock, "holdSync", [
    "lock, taken at once: before",
    "lock, taken at once: had",
    "lock, taken at once: before its commit",
    "lock, taken at once: after",
  ]);
  within(Gate.prototype, "hold", "gate: had", "gate: before it is given back");
  beforeAndAfter(Catalog.prototype, "copyTo", "checkpoint: before its copy", "checkpoint: copied");
  beforeAndAfter(lock, "setState", "shared state: before", "shared state: after");
  beforeAndAfter(lock, "register", "register: before", "register: after");
  beforeAndAfter(lock, "unregister", "unregister: before", "unregister: after");
  beforeAndAfter(lock, "removeOthers", "remove old locks: before", "remove old locks: after");
  beforeAndAfter(lock, "close", "close the lock: before", "close the lock: after");
  beforeAndAfter(Catalog.prototype, "release", "let go of the index: before", "let go of the index: after");
  beforeAndAfter(LiveIndex.prototype, "rebuild", "rebuild: before", "rebuild: after");
  beforeAndAfter(LiveIndex.prototype, "close", "leave: before", "leave: after");
  beforeAndAfter(Committer.prototype, "submit", "submit: before", "submit: before the caller hears of it");
  replaceMethodsOfParts();
  replaceMethodsOfSpace();
}

/** Of large values and directories. */
function replaceMethodsOfParts(): void {
  const writer = PinnedWriter.prototype;
  beforeAndAfter(writer, "add", "part of a value: before", "part of a value: taken");
  beforeAndAfter(writer, "finish", "last commit of a value: before", "last commit of a value: after");
  beforeAndAfter(writer, "abandon", "save given up: before", "save given up: after");
  beforeAndAfter(Pins.prototype, "put", "pins: before they are put", "pins: put");
  beforeAndAfter(Pins.prototype, "remove", "pins removed: before", "pins removed: after");
  replace(Pins.prototype, "check", (call) => {
    call();
    at("last commit of a value: its pins are there");
  });
  replace(Transaction.prototype, "delete", (call, [key]) => {
    const isNode = parseNodeKey(key as Buffer) !== undefined;
    if (isNode) at("node removed: before");
    call();
    if (isNode) at("node removed: after");
  });
}

function replaceMethodsOfSpace(): void {
  const lease = "the lease";
  beforeAndAfter(LockEnvironment.prototype, "takeCompactor", `take ${lease}: before`, `take ${lease}: after`);
  beforeAndAfter(CompactorLock.prototype, "release", `release ${lease}: before`, `release ${lease}: after`);
  around(CompactorLock.prototype as never, "hold", [
    "compaction step: before",
    "compaction step: had",
    "compaction step: before its commit",
    "compaction step: after",
  ]);
  replaceMethodsOfPacking();
  beforeAndAfter(Retirement.prototype, "add", "new epoch: before", "new epoch: after");
  const claim = BackupClaim.prototype;
  beforeAndAfter(claim, "fulfil", "backup copied: before its names", "backup copied: after its names");
  beforeAndAfter(claim, "release", "backup claim: before it is given back", "backup claim: given back");
}

function replaceMethodsOfPacking(): void {
  let isPacking = false;
  replace(LiveIndex.prototype, "pack", (call) => {
    isPacking = true;
    return (call() as Promise<void>).finally(() => (isPacking = false));
  });
  beforeAndAfter(LiveIndex.prototype, "pack", "packing: before", "packing: after");
  replace(Catalog.prototype, "append", (call) => {
    if (isPacking) at("packing: rows are put");
    return call();
  });
  replace(Catalog.prototype, "notePacked", (call) => {
    call();
    at("packing: before it is in use");
  });
}

/** Files that the engine writes past the seam of the log, by what they are. */
const KINDS = [
  ["mark", /\/trust\.json\.[0-9a-f]+\.tmp$/],
  ["config", /\/config\.json\.[0-9a-f]+\.tmp$/],
  ["index", /\/index-\d+\/data\.mdb$/],
] as const;

function replaceFileFunctions(): void {
  const { openSync, closeSync, writeSync, fsyncSync, renameSync, linkSync, rmSync, mkdirSync } = fs;
  const kinds = new Map<number, "mark" | "config" | "index">();
  const functions: Record<string, unknown> = {
    openSync(...values: Parameters<typeof openSync>) {
      const descriptor = openSync(...values);
      const kind = KINDS.find(([, pattern]) => pattern.test(String(values[0])))?.[0];
      if (kind) kinds.set(descriptor, kind);
      if (kind === "mark") at("mark: made");
      return descriptor;
    },
    closeSync(descriptor: number) {
      kinds.delete(descriptor);
      closeSync(descriptor);
    },
    writeSync(descriptor: number, data: string, ...rest: never[]) {
      if (kinds.get(descriptor) !== "mark") return writeSync(descriptor, data, ...rest);
      const half = Math.floor(data.length / 2);
      const first = writeSync(descriptor, data.slice(0, half));
      at("mark: half written");
      return first + writeSync(descriptor, data.slice(half));
    },
    fsyncSync(descriptor: number) {
      const kind = kinds.get(descriptor);
      if (kind === "index") at("sync index: before");
      if (kind === "mark") at("mark: written");
      fsyncSync(descriptor);
      if (kind === "index") at("sync index: after");
      if (kind === "mark") at("mark: synced");
    },
    renameSync(from: string, to: string) {
      const kind = KINDS.find(([, pattern]) => pattern.test(from))?.[0];
      renameSync(from, to);
      if (kind === "mark") at("mark: has its name");
    },
    linkSync(from: string, to: string) {
      const isConfig = KINDS.find(([, pattern]) => pattern.test(from))?.[0] === "config";
      if (isConfig) at("config: before it has its name");
      linkSync(from, to);
      if (isConfig) at("config: has its name");
    },
    rmSync(path: string, options?: fs.RmOptions) {
      // Only those that are there: the next generation is removed too before it is made.
      if (!/\/index-\d+$/.test(path) || !fs.existsSync(path)) return rmSync(path, options);
      at("remove index: before");
      if (aim?.point === "remove index: half-way") rmSync(`${path}/data.mdb`, { force: true });
      at("remove index: half-way");
      rmSync(path, options);
      at("remove index: after");
    },
    mkdirSync(path: string, options?: fs.MakeDirectoryOptions) {
      if (!/\/lock\/[^/]+$/.test(path)) return mkdirSync(path, options);
      at("make lock folder: before");
      const made = mkdirSync(path, options);
      at("make lock folder: after");
      return made;
    },
  };
  Object.assign(fs, functions);
  syncBuiltinESMExports();
}
