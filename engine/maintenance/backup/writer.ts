import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { VarveError } from "../../errors.ts";
import { writeFileDurably } from "../../index/mark.ts";
import type { FileSystem } from "../../log/file.ts";
import { removeIfPossible, segmentFileName, segmentPath } from "../../log/segment.ts";
import type { Pace } from "../pace.ts";
import type { PromisedNames } from "./claim.ts";
import { preparedPath } from "./claim.ts";
import { copyFile, hasGone, linked } from "./copy.ts";
import type { BackupPlan, PlannedSegment } from "./plan.ts";

/** What is left on the disk of a backup, besides. */
const ROOM_BYTES = 1024 * 1024;
const CONFIG_FILE = "config.json";
const CONFIG_LEFT = /^config\.json\.[0-9a-f]+\.tmp$/;

/** A file in the log of the backup that lacks its name, on the disk. */
interface Prepared {
  path: string;
  bytes: number;
  isLinked: boolean;
}

export interface Written {
  copiedBytes: number;
  linkedBytes: number;
}

/** Brings what a backup lacks into its folder, under names that do not count. */
export class BackupWriter {
  readonly #files: FileSystem;
  readonly #from: string;
  readonly #to: string;
  readonly #copy: boolean;
  readonly #pace: Pace;
  readonly #prepared = new Map<number, Prepared>();

  /** @param from the log @param to that of the backup @param copy without links */
  constructor(files: FileSystem, from: string, to: string, copy: boolean, pace: Pace) {
    this.#files = files;
    this.#from = from;
    this.#to = to;
    this.#copy = copy;
    this.#pace = pace;
  }

  /**
   * Goes on where an earlier plan had to be given up.
   * @returns false when a file of the log was rewritten and has gone meanwhile: then another plan is needed
   */
  async prepare({ segments }: BackupPlan): Promise<boolean> {
    const lacking = segments.filter(({ isKept }) => !isKept);
    this.#forgetBut(lacking);
    const total = lacking.reduce((sum, { bytes }) => sum + bytes, 0);
    let done = 0;
    let left = total;
    const told = (bytes: number) => {
      done += bytes;
      this.#pace.tell({ phase: "backup", done, total, unit: "bytes" });
    };
    for (const segment of lacking) {
      if (this.#prepared.has(segment.id)) told(segment.bytes);
      else if (!(await this.#bring(segment, left, told))) return false;
      left -= segment.bytes;
      if (this.#pace.isDue()) await this.#pace.turn();
    }
    this.#files.syncFolder(this.#to);
    return true;
  }

  get names(): PromisedNames {
    const inOrder = [...this.#prepared].sort(([a], [b]) => a - b);
    return Object.fromEntries(inOrder.map(([id, { path }]) => [basename(path), segmentFileName(id)]));
  }

  get written(): Written {
    const written = { copiedBytes: 0, linkedBytes: 0 };
    for (const { bytes, isLinked } of this.#prepared.values())
      written[isLinked ? "linkedBytes" : "copiedBytes"] += bytes;
    return written;
  }

  /** Nothing stays of what was brought. */
  discard(): void {
    this.#forgetBut([]);
  }

  #forgetBut(wanted: readonly PlannedSegment[]): void {
    for (const [id, { path, bytes }] of this.#prepared) {
      if (wanted.some((segment) => segment.id === id && segment.bytes === bytes)) continue;
      removeIfPossible(this.#files, path);
      this.#prepared.delete(id);
    }
  }

  /** @param left bytes that the backup lacks, this segment's included */
  async #bring(
    { id, bytes, isSealed }: PlannedSegment,
    left: number,
    told: (bytes: number) => void,
  ): Promise<boolean> {
    const from = segmentPath(this.#from, id);
    const path = preparedPath(this.#to);
    try {
      const isLinked = isSealed && !this.#copy && linked(this.#files, from, path);
      if (isLinked) told(bytes);
      else {
        // Where one can't be linked, the others can't either.
        this.#checkRoom(isSealed ? left : bytes);
        await copyFile(this.#files, from, path, bytes, this.#pace, told);
      }
      this.#prepared.set(id, { path, bytes, isLinked });
      return true;
    } catch (error) {
      removeIfPossible(this.#files, path);
      if (hasGone(this.#files, from, error)) return false;
      throw error;
    }
  }

  #checkRoom(bytes: number): void {
    const free = this.#files.freeBytes(this.#to);
    if (free >= bytes + ROOM_BYTES) return;
    throw new VarveError("NO_SPACE", `the backup needs ${bytes} bytes more, and its disk has ${free} free`, {
      hint: "free some space there, or back up to another disk; the earlier backup is as it was",
      details: { needed: bytes, free },
    });
  }
}

/** The configuration goes with the log, where there is one. */
export function copyConfig(home: string, folder: string): void {
  for (const name of readdirSync(folder)) if (CONFIG_LEFT.test(name)) rmSync(join(folder, name));
  const [from, to] = [join(home, CONFIG_FILE), join(folder, CONFIG_FILE)];
  if (!existsSync(from)) return;
  const text = readFileSync(from, "utf8");
  if (!existsSync(to) || readFileSync(to, "utf8") !== text) writeFileDurably(to, text);
}
