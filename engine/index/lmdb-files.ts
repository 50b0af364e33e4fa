import { randomBytes } from "node:crypto";
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { devNull } from "node:os";
import { join } from "node:path";
import { VarveError } from "../errors.ts";
import { inspectHead, UNKNOWN_FORMAT } from "./inspect.ts";

/** The files of an LMDB environment, and what must be so with them before LMDB opens it: else it ends the process. */

/** Before an environment is opened. @throws IO, or errors of the operating system */
export function prepareFiles(folder: string, readersMax: number): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  ensureLockFile(folder, readersMax);
  checkOpenable(folder);
  checkHead(join(folder, "data.mdb"));
}

/** lmdb-js needs some descriptors at once to open an environment. */
const DESCRIPTORS = 6;

/**
 * Where lmdb-js can't open the lock file, whatever the reason, it ends the process. So the reasons are looked for here.
 * @throws IO, or errors of the operating system
 */
function checkOpenable(folder: string): void {
  for (const name of ["lock.mdb", "data.mdb"]) {
    const path = join(folder, name);
    const found = statSync(path, { throwIfNoEntry: false });
    if (found && !found.isFile()) {
      throw new VarveError("IO", `${path} is not a file`, {
        hint: "remove it: what belongs there is made again; the log is not touched by that",
      });
    }
    accessSync(found ? path : folder, constants.R_OK | constants.W_OK);
  }
  const held: number[] = [];
  try {
    for (let i = 0; i < DESCRIPTORS; i++) held.push(openSync(devNull, "r"));
  } finally {
    for (const fd of held) closeSync(fd);
  }
}

/** LMDB takes its first pages at their word, and the process ends where they are wrong. */
function checkHead(path: string): void {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0) return;
  const problem = inspectHead(path);
  if (problem && !problem.startsWith(UNKNOWN_FORMAT)) throw new VarveError("IO", `MDB_INVALID: ${problem}`);
}

/** Whether LMDB has yet to make the file of the data. */
export function isNew(folder: string): boolean {
  return !existsSync(join(folder, "data.mdb"));
}

/** LMDB makes its file readable for all that may enter the folder: to be called by who had it made, and nobody else. */
export function makePrivate(folder: string): void {
  chmodSync(join(folder, "data.mdb"), 0o600);
}

/** A lock file has a head, and a slot for each reader. */
const LOCK_HEAD_BYTES = 208;
const SLOT_BYTES = 64;

/**
 * LMDB makes the file of its locks with a hole for a body, and writes it through a memory map: on a full disk that ends
 * the process. So it is made here, with its blocks, while nobody has it open; `link` replaces nobody else's.
 */
function ensureLockFile(folder: string, readersMax: number): void {
  const path = join(folder, "lock.mdb");
  if (existsSync(path)) return;
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    writeFileSync(temporary, Buffer.alloc(LOCK_HEAD_BYTES + readersMax * SLOT_BYTES), {
      flag: "wx",
      mode: 0o600,
    });
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}
