import type { CallOptions } from "./api.ts";
import type { CallGuard } from "./call-guard.ts";
import type { EngineCore } from "./engine.ts";
import { VarveError } from "./errors.ts";
import type { Row } from "./index/rows.ts";
import type { Key } from "./key.ts";
import { decodeKey, encodeKey } from "./key.ts";
import { environmentRange } from "./key-range.ts";
import type { RangeOptions, Snapshot } from "./key-value-api.ts";
import type { EngineSnapshot } from "./snapshot.ts";

/** A snapshot of the key-value engine: the same reads, all at one sequence. */
export class KeyValueSnapshot implements Snapshot {
  readonly sequence: number;
  readonly #snapshot: EngineSnapshot;
  readonly #calls: CallGuard;
  readonly #decode: (key: Buffer, row: Row) => Promise<unknown>;

  constructor(core: EngineCore, calls: CallGuard, decode: (key: Buffer, row: Row) => Promise<unknown>) {
    this.#snapshot = core.snapshot();
    this.sequence = this.#snapshot.sequence;
    this.#calls = calls;
    this.#decode = decode;
  }

  get<T = unknown>(key: Key, options?: CallOptions): Promise<T | undefined> {
    return this.#calls.run(options, async () => {
      const encoded = encodeKey(key);
      const row = this.#open().row(encoded);
      return (row && (await this.#decode(encoded, row))) as T | undefined;
    });
  }

  has(key: Key, options?: CallOptions): Promise<boolean> {
    return this.#calls.run(options, async () => this.#open().row(encodeKey(key)) !== undefined);
  }

  range(options: RangeOptions = {}): AsyncIterable<[Key, unknown]> {
    return this.#calls.iterate(options, () => this.#range(options));
  }

  async close(): Promise<void> {
    this.#snapshot.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async *#range(options: RangeOptions): AsyncGenerator<[Key, unknown]> {
    for (const page of this.#open().pages(environmentRange(options))) {
      for (const { key, row } of page) yield await entryOf(key, row, options, this.#decode);
      this.#open();
    }
  }

  #open(): EngineSnapshot {
    if (this.#snapshot.isOpen) return this.#snapshot;
    throw new VarveError("CLOSED", "the snapshot is closed", {
      hint: "take another with `engine.snapshot()`",
    });
  }
}

/** A row as users see it. */
export async function entryOf(
  key: Buffer,
  row: Row,
  { values }: RangeOptions,
  decode: (key: Buffer, row: Row) => Promise<unknown>,
): Promise<[Key, unknown]> {
  return [decodeKey(key), values === false ? undefined : await decode(key, row)];
}
