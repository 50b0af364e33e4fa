import type { Annotation, Artifact, Batch, BatchSaveOptions, DeleteOptions, Pending, Ref } from "./api.ts";
import { versionKey } from "./artifact-key.ts";
import { chunksOf, WHOLE_BYTES_MAX } from "./chunk/chunks.ts";
import { isByteSource } from "./chunk/source.ts";
import type { CodecRegistry } from "./codec/codec.ts";
import { OPERATION_BYTES } from "./commit.ts";
import type { EngineCore } from "./engine.ts";
import type { PreparedEnvironment, SavedEnvironment } from "./environment/stored.ts";
import { VarveError } from "./errors.ts";
import type { Part, PreparedPart } from "./large/part.ts";
import { preparePart, putPart, sealWith } from "./large/part.ts";
import { storeChunks } from "./large/store-chunks.ts";
import { takeAnnotation } from "./metadata.ts";
import type { FoundVersion } from "./operations.ts";
import { annotateVersion, deleteAlias, deleteVersions, saveVersion, setAlias } from "./operations.ts";
import type { ParsedRef } from "./ref.ts";
import { checkAlias, checkName, checkVersion, parseRefToDelete } from "./ref.ts";
import type { PlannedValue, TakenValue } from "./save.ts";
import { planSave, refNow, takeOptions, takeValue } from "./save.ts";
import type { Transaction } from "./transaction.ts";

const OPERATIONS_MAX = 100_000;

class PendingSave implements Pending {
  readonly name: string;
  /** Known once the batch runs under the lock. */
  version: number | undefined;
  readonly batch: QueuedBatch;

  constructor(name: string, batch: QueuedBatch) {
    this.name = name;
    this.batch = batch;
  }
}

/** A value made ready: what it consists of, and what its version refers to. */
interface BatchValue {
  parts: readonly PreparedPart[];
  planned: PlannedValue;
}

type Operation = (transaction: Transaction, saved: FoundVersion[]) => void;

export type BatchRun = (transaction: Transaction) => FoundVersion[];

function runOf(operations: readonly Operation[]): BatchRun {
  return (transaction) => {
    const saved: FoundVersion[] = [];
    for (const operation of operations) operation(transaction, saved);
    // Later operations of the batch may have changed what was saved.
    return saved.map((found) => {
      const row = transaction.row(versionKey(found.name, found.version)) ?? found.row;
      return { ...found, row };
    });
  };
}

/** Queues operations, their values taken at the call, to be run under the lock in order. */
export class QueuedBatch implements Batch {
  readonly #core: EngineCore;
  readonly #codecs: CodecRegistry;
  readonly #environment: SavedEnvironment | undefined;
  /** Each is ready at once, but for saves whose code is still being read from files. */
  readonly #operations: (Operation | Promise<Operation>)[] = [];
  #open = true;
  /** About how much it will write. */
  bytes = 0;
  /** Those that its saves name: more may become known while it is filled. */
  readonly environments = new Set<PreparedEnvironment>();

  constructor(core: EngineCore, codecs: CodecRegistry, environment: SavedEnvironment | undefined) {
    this.#core = core;
    this.#codecs = codecs;
    this.#environment = environment;
  }

  save(name: string, value: unknown, options: BatchSaveOptions = {}): Pending {
    this.#checkOpen();
    const taken = takeOptions(name, options, (input: Ref | Pending) => this.#refOf(input));
    if (isByteSource(value)) throw isSource(name);
    const encoded = takeValue(this.#codecs, value, options);
    this.bytes += encoded.from.length;
    const pending = new PendingSave(name, this);
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
    this.#queue(
      isWaiting
        ? Promise.all([code, prepared]).then(([resolved, value]) => operation(resolved, value))
        : operation(code, prepared),
    );
    return pending;
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

  setAlias(name: string, alias: string, version: number | Pending): void {
    checkName(name);
    checkAlias(alias);
    if (!(version instanceof PendingSave)) checkVersion(version);
    else if (version.name !== name) throw otherName(name, version);
    const ref = version instanceof PendingSave ? this.#refOf(version) : undefined;
    this.#queue((transaction) => {
      const target = ref?.() as { version?: number } | undefined;
      setAlias(transaction, name, alias, target?.version ?? (version as number));
    });
  }

  deleteAlias(name: string, alias: string): void {
    checkName(name);
    checkAlias(alias);
    this.#queue((transaction) => deleteAlias(transaction, name, alias));
  }

  annotate(ref: Ref | Pending, annotation: Annotation): void {
    const target = this.#refOf(ref);
    const changes = takeAnnotation(annotation);
    this.#queue((transaction) => void annotateVersion(transaction, target(), changes));
  }

  delete(ref: Ref | Pending, options: DeleteOptions = {}): void {
    const target = ref instanceof PendingSave ? this.#refOf(ref) : () => parseRefToDelete(ref);
    if (!(ref instanceof PendingSave)) parseRefToDelete(ref);
    this.#queue((transaction) => void deleteVersions(transaction, target(), options));
  }

  /** Ends the queueing and gives what to run under the lock: at once, unless code is still being read from files. */
  end(): BatchRun | Promise<BatchRun> {
    this.#open = false;
    const waiting = this.#operations.some((operation) => operation instanceof Promise);
    if (waiting) return Promise.all(this.#operations).then((operations) => runOf(operations));
    return runOf(this.#operations as Operation[]);
  }

  /** Ends the queueing without doing anything. */
  abandon(): void {
    this.#open = false;
    for (const operation of this.#operations) if (operation instanceof Promise) operation.catch(() => {});
  }

  #queue(operation: Operation | Promise<Operation>): void {
    this.bytes += OPERATION_BYTES;
    this.#checkOpen();
    if (this.#operations.length >= OPERATIONS_MAX) {
      throw new VarveError("INVALID_ARGUMENT", `a batch holds at most ${OPERATIONS_MAX} operations`, {
        hint: "use several batches",
      });
    }
    this.#operations.push(operation);
  }

  #refOf(ref: Ref | Pending): () => ParsedRef {
    if (!(ref instanceof PendingSave)) return refNow(ref as Ref | Artifact);
    if (ref.batch !== this) {
      throw new VarveError("INVALID_ARGUMENT", `the pending save of ${ref.name} belongs to another batch`, {
        hint: "use the artifacts that a batch resolves with",
      });
    }
    return () => ({ name: ref.name, kind: "version", version: ref.version! });
  }

  #checkOpen(): void {
    if (this.#open) return;
    throw new VarveError("INVALID_ARGUMENT", "the batch has ended", {
      hint: "queue everything before the function given to `batch` returns, or its promise resolves",
    });
  }
}

function isSource(name: string): VarveError {
  return new VarveError(
    "INVALID_ARGUMENT",
    `${name} is to be read from a source, which a batch can't wait for`,
    {
      hint: "save it with `store.save`, or read its bytes first",
    },
  );
}

function otherName(name: string, pending: Pending): VarveError {
  return new VarveError(
    "INVALID_ARGUMENT",
    `an alias of ${name} can't point at a version of ${pending.name}`,
    {
      hint: "aliases belong to one name",
    },
  );
}
