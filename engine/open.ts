import { realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Logger } from "./api.ts";
import { checkHome } from "./argument.ts";
import { EngineCore } from "./engine.ts";
import { fromSystemError, VarveError } from "./errors.ts";
import type { FamilyOf } from "./families.ts";
import { openWhenFree, patience } from "./index/gate-wait.ts";
import { LockEnvironment, lockFolder } from "./index/lock.ts";
import type { LockTimes } from "./index/openers.ts";
import type { FileSystem } from "./log/file.ts";
import { nodeFileSystem } from "./log/file.ts";
import { listAll } from "./log/segment.ts";
import { finishBackup } from "./maintenance/backup/claim.ts";
import type { Home } from "./maintenance/home.ts";
import { logFolder } from "./maintenance/home.ts";
import type { Application } from "./maintenance/identity.ts";
import { checkApplication } from "./maintenance/identity.ts";
import type { IndexSource } from "./maintenance/index-source.ts";
import { LiveIndex } from "./maintenance/live-index.ts";
import { IDLE_PACKING, type IdlePackingSettings } from "./maintenance/pack.ts";
import { openReadOnlyIndex } from "./maintenance/read-only-index.ts";
import { ReadCache } from "./read-cache.ts";

export interface OpenOptions {
  application: Application;
  /** Of a log that is new; default: a random one. One that is there has its own. */
  storeId?: string;
  readOnly?: boolean;
  create?: boolean;
  lockWaitMax?: number;
  minFreeSpace?: number;
  cacheSize?: number;
  segmentBytesMax?: number;
  /** How many batches behind the newest checkpoint make another one due, at least. */
  checkpointBatchesMin?: number;
  clock?: () => Date;
  logger?: Logger;
  allow?: readonly ("network-file-system" | "pid-namespaces")[];
  /** The seam: tests give another. */
  files?: FileSystem;
  /** How often users of a store give signs of life, and when one without is taken for gone. */
  times?: Partial<LockTimes>;
  /** When the index is packed while nobody writes: see `idle-packing.ts`. */
  packing?: Partial<IdlePackingSettings>;
  /** Which keys lie together with their newest first; default: none. */
  familyOf?: FamilyOf;
  /** What it wants of cache, free space, segments and logger goes from now on for all in this process that have the home open. */
  adjusts?: boolean;
}

export const SEGMENT_BYTES_MAX = 256 * 1024 * 1024;
const MIN_FREE_SPACE = 64 * 1024 * 1024;
const CACHE_SIZE = 64 * 1024 * 1024;
const LOCK_WAIT_MILLISECONDS_MAX = 5_000;
/** To read so many takes about a second. */
const CHECKPOINT_BATCHES_MIN = 100_000;

/** Types of statfs(2) whose memory maps and locks do not reach across machines. */
const NETWORK_FILE_SYSTEMS = new Map([
  [0x6969, "NFS"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB2"],
  [0x517b, "SMB"],
  [0x01021997, "9p"],
  [0x47504653, "GPFS"],
  [0x0bd00bd0, "Lustre"],
  [0x00c36400, "Ceph"],
  [0x5346414f, "AFS"],
]);

interface Shared {
  core: Promise<EngineCore>;
  /** Who is told of what goes wrong. */
  told: Told;
  handles: number;
}

/** Every home that this process has open, by its real path: LMDB must not open an environment twice in one process. */
const openCores = new Map<string, Shared>();

interface Told {
  logger: Logger | undefined;
}

/** One user's hold on a core that others in the process may hold too. */
export interface CoreHandle {
  core: EngineCore;
  release(): Promise<void>;
}

/** Opens a home, or joins those in this process that have it open already, by whatever path. */
export async function openCore(folder: string, options: OpenOptions): Promise<CoreHandle> {
  checkHome(folder);
  const real = preparedFolder(resolve(folder), options);
  const key = `${real}\0${options.readOnly ? "read-only" : "writable"}`;
  let shared = openCores.get(key);
  if (!shared) {
    const told = { logger: options.logger };
    shared = { core: openNew(real, options, told), told, handles: 0 };
    openCores.set(key, shared);
  }
  shared.handles++;
  try {
    const core = await shared.core;
    checkApplication(core.identity, options.application, real);
    if (options.adjusts) {
      adjust(core, options);
      shared.told.logger = options.logger;
    }
    return { core, release: () => release(key, shared) };
  } catch (error) {
    await release(key, shared).catch(() => {});
    throw fromSystemError(error, `opening ${real}`);
  }
}

function preparedFolder(folder: string, options: OpenOptions): string {
  try {
    return prepareFolder(folder, options);
  } catch (error) {
    throw fromSystemError(error, `opening ${folder}`);
  }
}

async function release(key: string, shared: Shared): Promise<void> {
  if (--shared.handles > 0) return;
  if (openCores.get(key) === shared) openCores.delete(key);
  await (await shared.core).close();
}

async function openNew(folder: string, options: OpenOptions, told: Told): Promise<EngineCore> {
  const now = () => (options.clock?.() ?? new Date()).getTime();
  const home: Home = {
    files: options.files ?? nodeFileSystem,
    folder,
    application: options.application,
    newStoreId: options.storeId,
    checkpointBatchesMin: options.checkpointBatchesMin ?? CHECKPOINT_BATCHES_MIN,
    closing: (close) => close(),
    now,
    onProblem: ({ message, ...facts }) => warn(told.logger, message, { ...facts }),
    onTrouble: (message, error) =>
      warn(told.logger, message, error === undefined ? {} : { error: String(error) }),
  };
  const source = options.readOnly ? await openReadOnly(home, options) : await openLive(home, options);
  return new EngineCore(folder, source, {
    files: home.files,
    ...limitsOf(options),
    cache: new ReadCache(options.cacheSize ?? CACHE_SIZE),
    lockWaitMax: lockWaitOf(options),
    packing: { ...IDLE_PACKING, ...options.packing },
    familyOf: options.familyOf,
    now,
    onProblem: home.onProblem,
    onTrouble: home.onTrouble,
  });
}

function limitsOf(options: OpenOptions) {
  return {
    segmentBytesMax: options.segmentBytesMax ?? SEGMENT_BYTES_MAX,
    minFreeSpace: options.minFreeSpace ?? MIN_FREE_SPACE,
  };
}

function adjust({ settings }: EngineCore, options: OpenOptions): void {
  settings.cache.resize(options.cacheSize ?? CACHE_SIZE);
  Object.assign(settings, limitsOf(options));
}

/** Timers take 31 bits. */
function lockWaitOf({ lockWaitMax = LOCK_WAIT_MILLISECONDS_MAX }: OpenOptions): number {
  return Math.min(lockWaitMax, 2 ** 31 - 1);
}

/** What the store does must not depend on who logs it: this is called under the lock too. */
function warn(logger: Logger | undefined, message: string, facts: Record<string, unknown>): void {
  try {
    logger?.warn(message, facts);
  } catch {
    // There is nobody to tell.
  }
}

async function openLive(home: Home, options: OpenOptions): Promise<LiveIndex> {
  const wait = lockWaitOf(options);
  const left = patience(wait);
  const open = () => new LockEnvironment(home.folder, options.times);
  const lock = await openWhenFree(lockFolder(home.folder), left(), open);
  const live: Home = { ...home, closing: (close) => lock.closing(wait, close) };
  const allowed = options.allow?.includes("pid-namespaces") ?? false;
  try {
    // First be seen, so that nobody takes the lock in the way that is only for those who are alone.
    await lock.holdWithin(left(), () => lock.register(allowed));
    return await lock.holdWithin(left(), () => new LiveIndex(live, lock, wait));
  } catch (error) {
    // Not waited for: the lock may still be somebody else's.
    void lock
      .hold(() => lock.unregister())
      .catch(() => {})
      .finally(() => lock.close());
    throw error;
  }
}

async function openReadOnly(home: Home, options: OpenOptions): Promise<IndexSource> {
  const wait = lockWaitOf(options);
  const allowed = options.allow?.includes("pid-namespaces") ?? false;
  const source = await openReadOnlyIndex(home, wait, allowed, options.times);
  if (!source) throw noStore(home.folder);
  return source;
}

/** Makes the folders where that is asked for, and gives the real path of the home. */
function prepareFolder(folder: string, options: OpenOptions): string {
  const files = options.files ?? nodeFileSystem;
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found && !found.isDirectory()) {
    throw new VarveError("INVALID_ARGUMENT", `${folder} is not a folder`, {
      hint: "choose a folder for the store",
    });
  }
  const hasLog = files.exists(logFolder(folder));
  if (hasLog) finishBackupIn(files, folder, options);
  if (!hasLog && (options.readOnly || options.create === false)) throw noStore(folder);
  if (!options.readOnly) makeFolders(files, folder);
  if (!options.allow?.includes("network-file-system")) checkFileSystem(files, folder);
  return realpathSync(folder);
}

/** A backup may lack the names of files that were all written, where who wrote it was ended in the middle. */
function finishBackupIn(files: FileSystem, folder: string, options: OpenOptions): void {
  try {
    finishBackup(files, logFolder(folder), options.readOnly ?? false);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!options.readOnly || !["EROFS", "EACCES", "EPERM"].includes(code ?? "")) throw error;
    warn(options.logger, "the backup was interrupted, and can't be finished here", { error: String(error) });
  }
}

/** Until the log has its first segment: what is then acknowledged needs the names of the folders above it too. */
function makeFolders(files: FileSystem, folder: string): void {
  const missing: string[] = [];
  for (let path = folder; !files.exists(path); path = dirname(path)) missing.push(path);
  files.makeFolder(logFolder(folder));
  files.makeFolder(join(folder, "lock"));
  if (listAll(files, logFolder(folder)).length > 0) return;
  files.syncFolder(folder);
  for (const path of missing.slice(0, -1)) files.syncFolder(dirname(path));
  syncIfAllowed(files, dirname(missing.at(-1) ?? folder));
}

/** A folder that was there before may not be ours to read, and then not to sync either. */
function syncIfAllowed(files: FileSystem, folder: string): void {
  try {
    files.syncFolder(folder);
  } catch (error) {
    if (!["EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

function checkFileSystem(files: FileSystem, folder: string): void {
  const name = NETWORK_FILE_SYSTEMS.get(files.type(folder) >>> 0);
  if (name === undefined) return;
  throw new VarveError(
    "NOT_SUPPORTED",
    `${folder} is on a network file system (${name}), whose locks can't be relied on`,
    {
      hint: 'choose a folder on a local disk; `allow: ["network-file-system"]` takes the risk, for one machine at a time',
    },
  );
}

function noStore(folder: string): VarveError {
  return new VarveError("NOT_FOUND", `there is no store in ${folder}`, {
    hint: "make one with `varve init`, or open it without `readOnly` and `create: false`",
  });
}
