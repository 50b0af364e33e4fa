import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { threadId } from "node:worker_threads";
import { VarveError } from "../../errors.ts";
import { currentBootId, pidNamespace, processStart } from "../../index/boot.ts";
import type { FileSystem } from "../../log/file.ts";
import { removeIfPossible, writeNew } from "../../log/segment.ts";
import { segmentOfName } from "../../log/segment-id.ts";

/**
 * The file in the log of a backup that says who is writing it and, once all is written, which files are to get which
 * names. A backup becomes another one with it: before it has the names nothing counts, and from then on whoever opens
 * the backup gives them, however the process that wrote it ended. With its removal the backup is done.
 */
const CLAIM_FILE = "unfinished-backup.json";
const CLAIM_BYTES_MAX = 2 ** 26;
/** Between its making and its first bytes the file says nothing. */
const MILLISECONDS_BETWEEN_LOOKS = 100;
const TRIES_MAX = 3;
/** Whose claim has failed counts as gone. */
const NO_BOOT = "";

/** From the name that a file was written under to the one that it is to have, in the order of the log. */
export type PromisedNames = Record<string, string>;

interface Claim {
  pid: number;
  thread: number;
  start: string;
  namespace: number;
  boot: string;
  id: string;
  names?: PromisedNames;
}

/** Claims of this thread whose backups are running. */
const running = new Set<string>();

/** Not as unfinished segments are called, which whoever opens a store removes. */
const PREPARED_NAME = /^backup-[0-9a-f]{12}\.tmp$/;

/** For a file of a backup that is not to have its name yet. */
export function preparedPath(folder: string): string {
  return join(folder, `backup-${randomBytes(6).toString("hex")}.tmp`);
}

/** Whether a name in the log of a backup is one that only a running backup needs. */
export function isTemporary(name: string): boolean {
  return name === CLAIM_FILE || PREPARED_NAME.test(name);
}

/** The right of one process to write the backup whose log is in `folder`. */
export class BackupClaim {
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #claim: Claim;
  #isFulfilling = false;

  private constructor(files: FileSystem, folder: string, claim: Claim) {
    this.#files = files;
    this.#folder = folder;
    this.#claim = claim;
  }

  /**
   * Finishes first what another one has left.
   * @throws CONFLICT when somebody is backing up to that folder
   */
  static async take(files: FileSystem, folder: string): Promise<BackupClaim> {
    const claim = newClaim();
    for (let tries = 1; ; tries++) {
      try {
        write(files, join(folder, CLAIM_FILE), claim);
        running.add(claim.id);
        return new BackupClaim(files, folder, claim);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const found = await readPatiently(files, folder);
      if (tries === TRIES_MAX || (found && !isGone(found))) throw claimed(folder, found);
      finish(files, folder, found);
    }
  }

  /** What backups left that nobody knows of any more is in nobody's way, but takes room. */
  removeLeft(): void {
    removePrepared(this.#files, this.#folder);
  }

  /** Whether names may have been promised: then the files need them. */
  get isFulfilling(): boolean {
    return this.#isFulfilling;
  }

  /**
   * From now on the files count that were written; then they get their names.
   * @throws CONFLICT when somebody took this process for gone
   */
  fulfil(names: PromisedNames): void {
    if (Object.keys(names).length === 0) return;
    const isLacking = (name: string) => !this.#files.exists(join(this.#folder, name));
    const found = read(this.#files, this.#folder);
    if (found?.id !== this.#claim.id || Object.keys(names).some(isLacking))
      throw claimed(this.#folder, found);
    const path = preparedPath(this.#folder);
    this.#claim.names = names;
    write(this.#files, path, this.#claim);
    this.#isFulfilling = true;
    this.#files.replace(path, join(this.#folder, CLAIM_FILE));
    this.#files.syncFolder(this.#folder);
    giveNames(this.#files, this.#folder, names);
  }

  /** Nothing is to be done any more. */
  release(): void {
    this.#files.remove(join(this.#folder, CLAIM_FILE));
    this.#files.syncFolder(this.#folder);
  }

  /** As `release`, after something failed, so that nobody takes this process for one that still writes. */
  giveUp(): void {
    const path = join(this.#folder, CLAIM_FILE);
    if (this.#isFulfilling) this.#disown(path);
    else if (this.#isOurs()) removeIfPossible(this.#files, path);
  }

  #isOurs(): boolean {
    try {
      return read(this.#files, this.#folder)?.id === this.#claim.id;
    } catch {
      return false;
    }
  }

  #disown(path: string): void {
    const disowned = preparedPath(this.#folder);
    try {
      write(this.#files, disowned, { ...this.#claim, boot: NO_BOOT });
      this.#files.replace(disowned, path);
    } catch {
      // As long as this process is there, others find it backing up.
      removeIfPossible(this.#files, disowned);
    }
  }

  /** In any case: who comes next need not wait for this process to end. */
  end(): void {
    running.delete(this.#claim.id);
  }
}

/**
 * For whoever opens a home, whose log is in `folder`: gives the files of a backup the names that they are to have, where
 * who wrote them could not do that any more.
 * @throws UNAVAILABLE while somebody backs up to it, for who wants to write
 */
export function finishBackup(files: FileSystem, folder: string, readOnly: boolean): void {
  if (!files.exists(join(folder, CLAIM_FILE))) return;
  const found = read(files, folder);
  if (found && !isGone(found)) {
    if (!readOnly) throw inUse(folder, found);
    if (found.names) giveNames(files, folder, found.names);
  } else if (!readOnly || found?.names) finish(files, folder, found);
}

function finish(files: FileSystem, folder: string, found: Claim | undefined): void {
  if (found?.names) giveNames(files, folder, found.names);
  removePrepared(files, folder);
  files.remove(join(folder, CLAIM_FILE));
  files.syncFolder(folder);
}

function removePrepared(files: FileSystem, folder: string): void {
  for (const name of files.list(folder)) if (PREPARED_NAME.test(name)) files.remove(join(folder, name));
}

function giveNames(files: FileSystem, folder: string, names: PromisedNames): void {
  for (const [from, to] of Object.entries(names)) {
    if (!PREPARED_NAME.test(from) || segmentOfName(to) === undefined) continue;
    giveName(files, join(folder, from), join(folder, to));
  }
  files.syncFolder(folder);
}

function giveName(files: FileSystem, from: string, to: string): void {
  if (!files.exists(from)) return;
  try {
    files.replace(from, to);
  } catch (error) {
    // Somebody else who opened the backup was faster.
    if ((error as NodeJS.ErrnoException).code === "ENOENT" && !files.exists(from)) return;
    throw error;
  }
  // Of two names of one file a rename leaves both.
  if (files.exists(from)) files.remove(from);
}

function newClaim(): Claim {
  return {
    pid: process.pid,
    thread: threadId,
    start: processStart(process.pid) ?? "unknown",
    namespace: pidNamespace(),
    boot: currentBootId(),
    id: randomBytes(8).toString("hex"),
  };
}

function isGone({ pid, thread, start, namespace, boot, id }: Claim): boolean {
  if (boot !== currentBootId()) return true;
  // Whether a process of another namespace is there can't be told.
  if (namespace !== pidNamespace()) return false;
  if (processStart(pid) !== start) return true;
  return pid === process.pid && thread === threadId && !running.has(id);
}

function write(files: FileSystem, path: string, claim: Claim): void {
  writeNew(files, path, [Buffer.from(`${JSON.stringify(claim)}\n`)]);
}

/** Undefined for what was never written whole: then nothing was done yet. */
function read(files: FileSystem, folder: string): Claim | undefined {
  try {
    const file = files.open(join(folder, CLAIM_FILE), "read");
    try {
      const bytes = Buffer.alloc(Math.min(file.size(), CLAIM_BYTES_MAX));
      const found = JSON.parse(bytes.toString("utf8", 0, file.read(bytes, 0))) as Claim;
      return typeof found?.id === "string" ? found : undefined;
    } finally {
      file.close();
    }
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function readPatiently(files: FileSystem, folder: string): Promise<Claim | undefined> {
  const found = read(files, folder);
  if (found) return found;
  await new Promise((resolve) => setTimeout(resolve, MILLISECONDS_BETWEEN_LOOKS));
  return read(files, folder);
}

function inUse(folder: string, { pid }: Claim): VarveError {
  return new VarveError("UNAVAILABLE", `process ${pid} is backing up to ${join(folder, "..")}`, {
    hint: "wait for it, or open the backup with `readOnly`",
    details: { pid },
  });
}

function claimed(folder: string, found: Claim | undefined): VarveError {
  const who = found ? `process ${found.pid}` : "another process";
  return new VarveError("CONFLICT", `${who} is backing up to ${join(folder, "..")}`, {
    hint: `wait for it; if it is certain that none does, remove ${join(folder, CLAIM_FILE)}`,
    details: { ...(found && { pid: found.pid }) },
  });
}
