import type { Catalog } from "../../index/catalog.ts";
import { checksum } from "../../log/checksum.ts";
import { RecordKind } from "../../log/format.ts";
import type { ScannedRecord } from "../../log/scan.ts";
import type { CoreProblem } from "./report.ts";

/** Keys that are put in the log and not in the index are most often deleted later; so many are waited for. */
const MISSING_MAX = 1_000_000;
/** And so many from one part of a verification to the next. */
const MISSING_HANDED_ON_MAX = 256;
/** The index as a whole is wrong then. */
const TOLD_MAX = 100;

/** Key, as its checksum in hex, and the operation that put it. */
export type MissingRow = [key: string, sequence: number];

/** Whether the index has the last state of every key of the log: what is read of the log, in its order, is noted here. */
export class RowCheck {
  readonly #catalog: Catalog;
  readonly #missing: Map<string, number>;
  #told = 0;

  constructor(catalog: Catalog, missing: readonly MissingRow[] = []) {
    this.#catalog = catalog;
    this.#missing = new Map(missing);
  }

  /** A problem where the index has a state that is older than this record. */
  note({ header: { kind }, key }: ScannedRecord, sequence: number): CoreProblem | undefined {
    if (kind === RecordKind.blob) return undefined;
    let found: number | undefined;
    try {
      found = this.#catalog.row(key)?.sequence;
    } catch (error) {
      return this.#tell((error as Error).message);
    }
    const isPut = kind === RecordKind.put;
    if (found === undefined && isPut) this.#isMissing(key, sequence);
    else if (this.#missing.size > 0) this.#missing.delete(nameOf(key));
    if (found === undefined || found >= sequence) return undefined;
    return this.#tell(`the index has a key as of operation ${found}, but operation ${sequence} changed it`);
  }

  /** Whether there are keys that were put, and neither are in the index nor were deleted yet. */
  get isWaiting(): boolean {
    return this.#missing.size > 0;
  }

  /** What the index should have had, once all of the log was noted. */
  lacking(): CoreProblem[] {
    const problems: CoreProblem[] = [];
    for (const sequence of this.#missing.values()) {
      const problem = this.#tell(`the index lacks what operation ${sequence} put`);
      if (problem) problems.push(problem);
    }
    return problems;
  }

  /** For the next part. With more deleted keys than that, rows that are missing are found in one go only. */
  handedOn(): MissingRow[] {
    return this.#missing.size > MISSING_HANDED_ON_MAX ? [] : [...this.#missing];
  }

  #isMissing(key: Buffer, sequence: number): void {
    if (this.#missing.size < MISSING_MAX) this.#missing.set(nameOf(key), sequence);
  }

  #tell(message: string): CoreProblem | undefined {
    return ++this.#told > TOLD_MAX ? undefined : { kind: "index", message };
  }
}

function nameOf(key: Buffer): string {
  return checksum(key, 0n).toString(16);
}
