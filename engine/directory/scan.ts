import { lstatSync, opendirSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { VarveError } from "../errors.ts";
import { Pace } from "../maintenance/pace.ts";
import type { FolderEntry, LinkEntry, Stamp } from "./entry.ts";
import { compareBytes, isTooLong, keyOf, quoted } from "./entry.ts";
import type { IgnoreRules } from "./ignore.ts";
import { cannotBeKept, cannotBeRead, isChanging, isGone, tooLong } from "./refusal.ts";
import { isStoreFolder } from "./store-folder.ts";

/** A file as it was found, not read yet. */
export interface FoundFile {
  kind: "file";
  path: string;
  size: number;
  executable: boolean;
  stamp: Stamp;
}

export type Found = FoundFile | LinkEntry | FolderEntry;

/** A regular file that its folder lists, and that was not looked at. */
export interface NamedFile {
  kind: "named file";
  path: string;
}

/** Milliseconds for which the event loop waits at most. */
export const TURN_MILLISECONDS = 5;
const BATCH_ENTRIES = 512;
/** To ask for the time takes as long as to read a name. */
const NAMES_PER_LOOK = 64;
/** What is removed between the listing of its folder and the look at it makes the folder be listed again. */
const LISTINGS_MAX = 4;
const OWNER_MAY_RUN = 0o100n;
/** What takes the place of bytes that are no UTF-8, and may also be a name's own. */
const REPLACEMENT = "\ufffd";
const SURROGATE = /[\ud800-\udfff]/;

export interface ScanOptions {
  signal?: AbortSignal | undefined;
  /** The key of an entry behind which to begin. */
  behind?: string | undefined;
}

/**
 * All files, links and empty folders below `root`, sorted by their keys. Links are not followed, homes of stores are left
 * out. The event loop goes on, and memory is that of the folders on the way down.
 */
export function scanTree(
  root: string,
  ignore: IgnoreRules,
  options: ScanOptions = {},
): AsyncGenerator<Found[]> {
  return walkTree(root, ignore, options, false) as AsyncGenerator<Found[]>;
}

/** As `scanTree`, for who opens the files anyhow. */
export function scanNames(
  root: string,
  ignore: IgnoreRules,
  options: ScanOptions = {},
): AsyncGenerator<(Found | NamedFile)[]> {
  return walkTree(root, ignore, options, true);
}

async function* walkTree(
  root: string,
  ignore: IgnoreRules,
  { signal, behind }: ScanOptions,
  namesFiles: boolean,
): AsyncGenerator<(Found | NamedFile)[]> {
  const pace = new Pace({ signal }, TURN_MILLISECONDS);
  const walk = new Walk(checkedRoot(root), ignore, pace, namesFiles);
  const way = [(await walk.list("")).values()];
  let batch: (Found | NamedFile)[] = [];
  while (way.length > 0) {
    const { value: found, done } = way.at(-1)!.next();
    if (done) {
      way.pop();
      continue;
    }
    if (behind !== undefined && isPassed(found, behind)) continue;
    // A folder counts for what is in it.
    const below = found.kind === "directory" ? await walk.list(found.path) : [];
    if (below.length > 0) way.push(below.values());
    else if (behind === undefined || compareBytes(keyOf(found), behind) > 0) batch.push(found);
    if (batch.length < BATCH_ENTRIES) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Whether neither an entry nor anything below it comes behind a key. */
function isPassed(found: Found | NamedFile, key: string): boolean {
  return compareBytes(keyOf(found), key) <= 0 && !key.startsWith(`${found.path}/`);
}

class Walk {
  readonly #root: string;
  readonly #ignore: IgnoreRules;
  readonly #pace: Pace;
  readonly #namesFiles: boolean;

  constructor(root: string, ignore: IgnoreRules, pace: Pace, namesFiles: boolean) {
    this.#root = root;
    this.#ignore = ignore;
    this.#pace = pace;
    this.#namesFiles = namesFiles;
  }

  /** What is right in a folder, sorted; folders whether they are empty or not. */
  async list(folder: string): Promise<(Found | NamedFile)[]> {
    for (let listing = 1; listing <= LISTINGS_MAX; listing++) {
      const found = await this.#listOnce(folder);
      if (found) return inOrder(found);
    }
    throw isChanging(folder || this.#root);
  }

  async #listOnce(folder: string): Promise<(Found | NamedFile)[] | undefined> {
    const found: (Found | NamedFile)[] = [];
    const { keys, others } = await this.#keysIn(folder);
    for (const key of keys) {
      if (this.#pace.isDue()) await this.#pace.turn();
      const isFolder = key.endsWith("/");
      const name = isFolder ? key.slice(0, -1) : key;
      const path = folder === "" ? name : `${folder}/${name}`;
      if (this.#ignore.matches(path, name, isFolder)) continue;
      if (isTooLong(path)) throw tooLong(path);
      if (this.#namesFiles && !isFolder && !others.has(key)) {
        found.push({ kind: "named file", path });
        continue;
      }
      try {
        const one = lookAt(`${this.#root}/${path}`, path);
        if (one) found.push(one);
      } catch (error) {
        if (isGone(error)) return undefined;
        throw cannotBeRead(path, error);
      }
    }
    return found;
  }

  /**
   * The names in a folder, those of folders with a slash: so sorted that what is found by them mostly is. Others are those
   * of what is neither a folder nor a regular file.
   */
  async #keysIn(folder: string): Promise<{ keys: string[]; others: Set<string> }> {
    const full = join(this.#root, folder);
    const keys: string[] = [];
    const others = new Set<string>();
    try {
      const handle = opendirSync(full, { bufferSize: BATCH_ENTRIES });
      try {
        for (let entry = handle.readSync(); entry; entry = handle.readSync()) {
          keys.push(entry.isDirectory() ? `${entry.name}/` : entry.name);
          if (!entry.isDirectory() && !entry.isFile()) others.add(entry.name);
          if (keys.length % NAMES_PER_LOOK === 0 && this.#pace.isDue()) await this.#pace.turn();
        }
      } finally {
        handle.closeSync();
      }
      if (keys.some((key) => key.includes(REPLACEMENT))) checkNamesIn(full, folder);
      return { keys: keys.sort(), others };
    } catch (error) {
      throw cannotBeRead(folder || this.#root, error);
    }
  }
}

/** Undefined for the home of a store. */
function lookAt(full: string, path: string): Found | undefined {
  const found = lstatSync(full, { bigint: true });
  if (found.isFile()) return foundFile(path, found);
  if (found.isDirectory()) return isStoreFolder(full) ? undefined : { kind: "directory", path };
  if (found.isSymbolicLink()) return { kind: "link", path, target: targetOf(full, path) };
  throw cannotBeKept(path, `is ${kindOf(found)}, which has no contents to keep`, "remove it");
}

type Status = ReturnType<typeof lstatSync> & object;
type BigStatus = Extract<Status, { mtimeNs: bigint }>;

export function foundFile(path: string, found: BigStatus): FoundFile {
  const { mtimeNs, ctimeNs, ino } = found;
  return {
    kind: "file",
    path,
    size: Number(found.size),
    executable: (found.mode & OWNER_MAY_RUN) !== 0n,
    stamp: { mtimeNs, ctimeNs, inode: ino },
  };
}

function targetOf(full: string, path: string): string {
  const bytes = readlinkSync(full, { encoding: "buffer" });
  const target = bytes.toString("utf8");
  if (Buffer.from(target).equals(bytes)) return target;
  throw cannotBeKept(path, `leads to ${escaped(bytes)}, which is not UTF-8`, "make it lead elsewhere");
}

function kindOf(found: BigStatus): string {
  if (found.isSocket()) return "a socket";
  if (found.isFIFO()) return "a named pipe";
  return "a device";
}

/** @throws UNSUPPORTED_VALUE that names the first whose bytes are no text */
function checkNamesIn(full: string, folder: string): void {
  for (const bytes of readdirSync(full, { encoding: "buffer" })) {
    const name = bytes.toString("utf8");
    if (Buffer.from(name).equals(bytes)) continue;
    const path = folder === "" ? escaped(bytes) : `${folder}/${escaped(bytes)}`;
    throw cannotBeKept(path, "has a name that is not UTF-8", "rename it");
  }
}

/** With `\xff` for what is no printable ASCII. */
function escaped(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`,
  ).join("");
}

/** Names are short, and are sorted before: only what is no folder any more, or has surrogates, is in its wrong place. */
function inOrder<T extends Found | NamedFile>(found: T[]): T[] {
  let before = "";
  for (const entry of found) {
    const key = keyOf(entry);
    if (key < before || SURROGATE.test(key)) return found.sort((a, b) => compareBytes(keyOf(a), keyOf(b)));
    before = key;
  }
  return found;
}

/** @throws INVALID_ARGUMENT for what is no folder, or belongs to a store */
export function checkedRoot(given: string): string {
  if (typeof given !== "string" || given === "") throw noFolder(String(given));
  const root = resolve(given);
  let isFolder: boolean;
  try {
    isFolder = statSync(root).isDirectory();
  } catch (error) {
    if (!isGone(error)) throw cannotBeRead(root, error);
    throw noFolder(root, error);
  }
  if (!isFolder) {
    throw new VarveError("INVALID_ARGUMENT", `${quoted(root)} is no folder`, {
      hint: "saveFile keeps one file",
    });
  }
  if (!isStoreFolder(root) && !isStoreFolder(dirname(root))) return root;
  throw new VarveError("INVALID_ARGUMENT", `${quoted(root)} belongs to a store`, {
    hint: "`backup` copies a store",
  });
}

function noFolder(root: string, cause?: unknown): VarveError {
  return new VarveError("INVALID_ARGUMENT", `there is no folder ${quoted(root)}`, {
    hint: "give the path of a folder",
    ...(cause !== undefined && { cause }),
  });
}
