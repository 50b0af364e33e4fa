import type { Annotation, DeleteOptions } from "./api.ts";
import { versionKey } from "./artifact-key.ts";
import { decodeVersionContent } from "./artifact-record.ts";
import type { PendingSave, QueuedSave } from "./batch-queue.ts";
import { BatchQueue } from "./batch-queue.ts";
import { chunksOf, WHOLE_BYTES_MAX } from "./chunk/chunks.ts";
import type { CodecRegistry } from "./codec/codec.ts";
import { OPERATION_BYTES } from "./commit.ts";
import { deleteVersions } from "./deletes.ts";
import type { EngineCore } from "./engine.ts";
import type { PreparedEnvironment, SavedEnvironment } from "./environment/stored.ts";
import { samePlace } from "./index/change.ts";
import type { Part, PreparedPart } from "./large/part.ts";
import { preparePart, putPart, sealWith } from "./large/part.ts";
import { storeChunks } from "./large/store-chunks.ts";
import type { FoundVersion } from "./operations.ts";
import { annotateVersion, deleteAlias, saveVersion, setAlias } from "./operations.ts";
import type { ParsedRef } from "./ref.ts";
import type { PlannedValue, TakenValue } from "./save.ts";
import { planSave } from "./save.ts";
import type { Transaction } from "./transaction.ts";

/** A value made ready: what it consists of, and what its version refers to. */
interface BatchValue {
  parts: readonly PreparedPart[];
  planned: PlannedValue;
}

type Operation = (transaction: Transaction, saved: FoundVersion[]) => void;
/** A version by its ref, or one of the batch once that runs under the lock. */
type LateRef = () => ParsedRef;

export type BatchRun = (transaction: Transaction) => FoundVersion[];

function runOf(operations: readonly Operation[]): BatchRun {
  return (transaction) => {
    const saved: FoundVersion[] = [];
    for (const operation of operations) operation(transaction, saved);
    // Later operations of the batch may have changed what was saved.
    return saved.map((found) => {
      const key = versionKey(found.name, found.version);
      const row = transaction.row(key);
      if (!row || samePlace(row.place, found.row.place)) return found;
      return { ...found, row, content: decodeVersionContent(transaction.content(key, row)) };
    });
  };
}

/** Queues operations, their values taken at the call, to be run under the lock in order. */
export class QueuedBatch extends BatchQueue<Operation, LateRef> {
  readonly #core: EngineCore;
  readonly #environment: SavedEnvironment | undefined;
  #valueBytes = 0;
  /** Those that its saves name: more may become known while it is filled. */
  readonly environments = new Set<PreparedEnvironment>();

  constructor(
    core: EngineCore,
    codecs: CodecRegistry,
    environment: SavedEnvironment | undefined,
    keepsModels = false,
  ) {
    super(codecs, keepsModels);
    this.#core = core;
    this.#environment = environment;
  }

  /** About how much it will write. */
  get bytes(): number {
    return this.#valueBytes + this.length * OPERATION_BYTES;
  }

  /** Ends the queueing and gives what to run under the lock: at once, unless code is still being read from files. */
  end(): BatchRun | Promise<BatchRun> {
    const operations = this.ended();
    return operations instanceof Promise ? operations.then(runOf) : runOf(operations);
  }

  protected refTo(target: ParsedRef | PendingSave): LateRef {
    if ("kind" in target) return () => target;
    return () => ({ name: target.name, kind: "version", version: target.version! });
  }

  protected saving({
    name,
    value: encoded,
    taken,
    pending,
  }: QueuedSave<LateRef>): Operation | Promise<Operation> {
    this.#valueBytes += encoded.from.length;
    const environment = this.#environment?.prepared();
    if (environment) this.environments.add(environment);
    const code = taken.code;
    const operation = (resolved: Awaited<typeof code>, value: BatchValue): Operation => {
      const plan = planSave(this.#core, name, value.planned, taken, resolved, environment);
      return (transaction, saved) => {
        for (const part of value.parts) putPart(transaction, part);
        const found = saveVersion(transaction, plan);
        pending.version = found.version;
        saved.push(found);
      };
    };
    const prepared = this.#prepared(encoded);
    const isWaiting = code instanceof Promise || prepared instanceof Promise;
    return isWaiting
      ? Promise.all([code, prepared]).then(([resolved, value]) => operation(resolved, value))
      : operation(code, prepared);
  }

  #prepared(value: TakenValue<Uint8Array>): BatchValue | Promise<BatchValue> {
    if (value.from.length > WHOLE_BYTES_MAX) return this.#cut(value);
    const part = this.#core.prepareBlob(value.from);
    return { parts: [], planned: { part, mediaType: value.mediaType } };
  }

  /** What is to be there together must be in memory together. */
  async #cut({ from, mediaType, isForeign }: TakenValue<Uint8Array>): Promise<BatchValue> {
    const parts: PreparedPart[] = [];
    const put = (part: Part) => void parts.push(preparePart(this.#core, part));
    const chunks = chunksOf(from, { seal: isForeign ? sealWith(this.#core) : undefined });
    const { blob, digest, size } = await storeChunks(chunks, put);
    const part = preparePart(this.#core, blob);
    return { parts, planned: { part, mediaType, chunked: { digest, size } } };
  }

  protected aliasing(name: string, alias: string, version: number | PendingSave): Operation {
    return (transaction) =>
      setAlias(transaction, name, alias, typeof version === "number" ? version : version.version!);
  }

  protected removingAlias(name: string, alias: string): Operation {
    return (transaction) => deleteAlias(transaction, name, alias);
  }

  protected annotating(target: LateRef, changes: Annotation): Operation {
    return (transaction) => void annotateVersion(transaction, target(), changes);
  }

  protected deleting(target: LateRef, options: DeleteOptions): Operation {
    return (transaction) => void deleteVersions(transaction, target(), options);
  }
}
