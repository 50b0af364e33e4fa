import type { CallOptions } from "./api.ts";
import { countBlobs } from "./blob-stats.ts";
import { CallGuard } from "./call-guard.ts";
import { decodeValueWithin, encodeValue } from "./codec/cbor.ts";
import { OPERATION_BYTES } from "./commit.ts";
import { compactWith } from "./compact.ts";
import type { EngineCore } from "./engine.ts";
import { readOnlyError, VarveError } from "./errors.ts";
import type { Row } from "./index/rows.ts";
import type { Key } from "./key.ts";
import { decodeKey, encodeKey, textOfKey } from "./key.ts";
import { environmentRange } from "./key-range.ts";
import type {
  Engine,
  EngineCompactOptions,
  EngineCompactReport,
  EngineOptions,
  EngineRepairOptions,
  EngineRepairReport,
  EngineStats,
  EngineVerifyOptions,
  EngineVerifyProblem,
  EngineVerifyReport,
  Operation,
  PutOptions,
  RangeOptions,
  Snapshot,
} from "./key-value-api.ts";
import type { PreparedPut } from "./key-value-operations.ts";
import { applyDelete, applyPut, badOperation } from "./key-value-operations.ts";
import { entryOf, KeyValueSnapshot } from "./key-value-snapshot.ts";
import { segmentNumber } from "./log/segment.ts";
import type { CoreProblem } from "./maintenance/verify/report.ts";
import { type CoreHandle, openCore } from "./open.ts";
import { repairWith } from "./repair.ts";
import type { EngineSnapshot } from "./snapshot.ts";
import type { Transaction } from "./transaction.ts";
import { takeVerifyOptions } from "./verify.ts";

/** The public key-value engine of the package `varve/engine`: ordered keys, any storable value, one folder. */

export type { CallOptions, Durability, Logger } from "./api.ts";
export type { VarveErrorCode, VarveErrorOptions } from "./errors.ts";
export { VarveError } from "./errors.ts";
export type { Key } from "./key.ts";
export type * from "./key-value-api.ts";

/** Values from this size on are blobs, kept once however many keys have them. */
const BLOB_BYTES_MIN = 4096;
const OPERATIONS_MAX = 100_000;
/** A range is read from one state for so long, then goes on in a newer one. */
const SNAPSHOT_MILLISECONDS_MAX = 60_000;

/**
 * Opens the engine in `folder`, making it when there is none.
 * @throws as `openStore`; INVALID_ARGUMENT when the folder is an artifact store
 */
export async function openEngine(folder: string, options: EngineOptions = {}): Promise<Engine> {
  const { durability, ...rest } = options;
  const handle = await openCore(folder, { application: "keyvalue", familyOf: textOfKey, ...rest });
  return new KeyValueEngine(handle, durability !== "buffered", options.readOnly ?? false);
}

class KeyValueEngine implements Engine {
  readonly #handle: CoreHandle;
  readonly #core: EngineCore;
  readonly #durable: boolean;
  readonly #readOnly: boolean;
  readonly #calls = new CallGuard("engine", () => this.#core.heal());

  constructor(handle: CoreHandle, durable: boolean, readOnly: boolean) {
    this.#handle = handle;
    this.#core = handle.core;
    this.#durable = durable;
    this.#readOnly = readOnly;
  }

  get<T = unknown>(key: Key, options?: CallOptions): Promise<T | undefined> {
    return this.#calls.read(options, () => this.#value(key) as T | undefined | Promise<T | undefined>);
  }

  getMany(keys: readonly Key[], options?: CallOptions): Promise<unknown[]> {
    return this.#calls.read(options, async () => Promise.all(keys.map((key) => this.#value(key))));
  }

  has(key: Key, options?: CallOptions): Promise<boolean> {
    return this.#calls.read(options, () => {
      const found = this.#find(key);
      const unsettled = found && this.#core.settle(found.row);
      return unsettled ? unsettled.then(() => true) : found !== undefined;
    });
  }

  put(key: Key, value: unknown, options: PutOptions = {}): Promise<{ sequence: number }> {
    return this.#calls.run(options, () => {
      const prepared = this.#prepare(key, value, options);
      return this.#write(bytesOf(prepared), (transaction) => {
        applyPut(transaction, prepared);
        return { sequence: transaction.sequence };
      });
    });
  }

  del(key: Key, options?: CallOptions): Promise<boolean> {
    return this.#calls.run(options, () => {
      const encoded = encodeKey(key);
      return this.#write(0, (transaction) => applyDelete(transaction, encoded), { reserve: true });
    });
  }

  batch(operations: readonly Operation[], options?: CallOptions): Promise<{ sequence: number }> {
    return this.#calls.run(options, () => {
      if (operations.length > OPERATIONS_MAX) {
        throw new VarveError("INVALID_ARGUMENT", `a batch holds at most ${OPERATIONS_MAX} operations`, {
          hint: "use several batches",
        });
      }
      let bytes = OPERATION_BYTES * operations.length;
      const steps = operations.map((operation) => {
        if (operation.type === "del") {
          const key = encodeKey(operation.key);
          return (transaction: Transaction) => void applyDelete(transaction, key);
        }
        if (operation.type !== "put") throw badOperation(operation);
        const prepared = this.#prepare(operation.key, operation.value, operation);
        bytes += bytesOf(prepared);
        return (transaction: Transaction) => applyPut(transaction, prepared);
      });
      return this.#write(
        bytes,
        (transaction) => {
          for (const step of steps) step(transaction);
          return { sequence: transaction.newestSequence };
        },
        { undoable: true },
      );
    });
  }

  range(options: RangeOptions = {}): AsyncIterable<[Key, unknown]> {
    return this.#calls.iterate(options, () => this.#range(options));
  }

  snapshot(): Snapshot {
    this.#calls.check(undefined);
    return new KeyValueSnapshot(this.#core, this.#calls, async (key, row) => this.#decode(key, row));
  }

  verify(options: EngineVerifyOptions = {}): Promise<EngineVerifyReport> {
    return this.#calls.read(options, async () => {
      const { problems, ...report } = await this.#core.verify(takeVerifyOptions(options));
      return { ok: problems.length === 0, ...report, problems: problems.map(toldProblem) };
    });
  }

  compact(options: EngineCompactOptions = {}): Promise<EngineCompactReport> {
    if (options.dryRun) return this.#calls.read(options, () => compactWith(this.#core, options));
    return this.#maintain(options, () => compactWith(this.#core, options));
  }

  repair(options: EngineRepairOptions = {}): Promise<EngineRepairReport> {
    return this.#maintain(options, () =>
      repairWith(this.#core, options, (problems) => problems.map(toldProblem)),
    );
  }

  stats(options?: CallOptions): Promise<EngineStats> {
    return this.#calls.read(options, async () => {
      const snapshot = this.#core.snapshot();
      try {
        let keys = 0;
        for (const page of snapshot.pages(environmentRange({}))) keys += page.length;
        const { blobs, blobBytes } = await countBlobs(snapshot, options);
        return { keys, sequence: snapshot.sequence, blobs, blobBytes, ...this.#core.fileSpace() };
      } finally {
        snapshot.close();
      }
    });
  }

  rebuildIndex(): Promise<void> {
    return this.#maintain(undefined, () => this.#core.rebuildIndex());
  }

  async close(): Promise<void> {
    await this.#calls.close(() => this.#handle.release());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #value(key: Key): unknown {
    const found = this.#find(key);
    return found && this.#decode(found.key, found.row);
  }

  /** A text is its own family: the row of one that was asked for lately is at hand, as its key is. */
  #find(key: Key): { key: Buffer; row: Row } | undefined {
    if (typeof key === "string") return this.#core.rowOf(key, encodeKey);
    const encoded = encodeKey(key);
    const row = this.#core.row(encoded);
    return row && { key: encoded, row };
  }

  #decode(key: Buffer, row: Row): unknown {
    const decode = () =>
      row.references.length > 0
        ? this.#core.decodedBlob(row, decodeValueWithin)
        : this.#core.decodedContent(key, row, decodeValueWithin);
    return this.#core.settle(row)?.then(decode) ?? decode();
  }

  async *#range(options: RangeOptions): AsyncGenerator<[Key, unknown]> {
    let range = environmentRange(options);
    let snapshot = this.#core.snapshot();
    try {
      for (let left = range.limit ?? Number.POSITIVE_INFINITY; left > 0; ) {
        const [page] = snapshot.pages({ ...range, limit: left });
        if (!page) return;
        for (const { key, row } of page)
          yield await entryOf(key, row, options, async (k, r) => this.#decode(k, r));
        left -= page.length;
        range = { ...range, start: page.at(-1)!.key, exclusiveStart: true };
        snapshot = this.#renewed(snapshot);
      }
    } finally {
      snapshot.close();
    }
  }

  #renewed(snapshot: EngineSnapshot): EngineSnapshot {
    if (performance.now() - snapshot.openedAt < SNAPSHOT_MILLISECONDS_MAX) return snapshot;
    snapshot.close();
    return this.#core.snapshot();
  }

  #prepare(
    key: Key,
    value: unknown,
    { ifAbsent, ifSequence }: { ifAbsent?: boolean; ifSequence?: number },
  ): PreparedPut {
    const encodedKey = encodeKey(key);
    const bytes = encodeValue(value);
    const blob = bytes.length >= BLOB_BYTES_MIN ? this.#core.prepareBlob(bytes) : undefined;
    const payload = blob
      ? this.#core.preparePayload([blob.digest], new Uint8Array())
      : this.#core.preparePayload([], bytes);
    return { key: encodedKey, payload, blob, ifAbsent, ifSequence };
  }

  #write<T>(
    bytes: number,
    run: (transaction: Transaction) => T,
    { undoable = false, reserve = false }: { undoable?: boolean; reserve?: boolean } = {},
  ): Promise<T> {
    this.#checkWritable();
    return this.#core.commit({ run, bytes, durable: this.#durable, undoable, reserve });
  }

  #maintain<T>(options: CallOptions | undefined, action: () => Promise<T>): Promise<T> {
    return this.#calls.run(options, async () => {
      this.#checkWritable();
      return action();
    });
  }

  #checkWritable(): void {
    if (this.#readOnly) throw readOnlyError("engine");
  }
}

function bytesOf({ payload, blob }: PreparedPut): number {
  return payload.payload.length + (blob?.bytes.length ?? 0);
}

function toldProblem({ key, digest: _, ...told }: CoreProblem): EngineVerifyProblem {
  const facts = told.segment === undefined ? told : { ...told, segment: segmentNumber(told.segment) };
  return key ? { ...facts, key: decodeKey(key) } : facts;
}
