import { readUint53, writeUint53 } from "../log/format.ts";
import type { Environment } from "./lmdb.ts";
import { META_SPACE } from "./rows.ts";

const GAP_KEY = Buffer.from([META_SPACE, 0x02]);

/** What is missing of the log that an index was made from. */
export interface Gap {
  /** Rows that no later operation has put may lack what was put behind them. */
  after: number;
  /** So many puts at most. */
  lost: number;
}

/** All gaps together, as one row of the index: rows may be missing that others go on from. */
export class GapRow {
  readonly #environment: Environment;
  /** As read in the transaction under way; false: there is none. */
  #known: Gap | false | undefined;
  #isWithin = false;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** A transaction begins, in which the row is read once. */
  begin(): void {
    this.#known = undefined;
    this.#isWithin = true;
  }

  /** It has ended. */
  forget(): void {
    this.#isWithin = false;
  }

  /** Only within a transaction. */
  note({ after, lost }: Gap): void {
    const known = this.all() ?? { after: 0, lost: 0 };
    const bytes = Buffer.alloc(16);
    writeUint53(bytes, Math.max(known.after, after), 0);
    writeUint53(bytes, known.lost + lost, 8);
    this.#environment.put(GAP_KEY, bytes);
    this.#known = undefined;
  }

  all(): Gap | undefined {
    if (this.#isWithin && this.#known !== undefined) return this.#known || undefined;
    const bytes = this.#environment.get(GAP_KEY);
    const gap = bytes && { after: readUint53(bytes, 0), lost: readUint53(bytes, 8) };
    this.#known = gap ?? false;
    return gap;
  }
}
