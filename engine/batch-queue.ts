import type { Annotation, Batch, BatchSaveOptions, DeleteOptions, Pending, Ref } from "./api.ts";
import { isByteSource } from "./chunk/source.ts";
import type { CodecRegistry } from "./codec/codec.ts";
import { VarveError } from "./errors.ts";
import { takeAnnotation } from "./metadata.ts";
import type { ParsedRef } from "./ref.ts";
import { checkAlias, checkName, checkVersion, parseRef, parseRefToDelete } from "./ref.ts";
import type { TakenOptions, TakenValue } from "./save.ts";
import { isModel, notInBatch, takeOptions, takeValue } from "./save.ts";

const OPERATIONS_MAX = 100_000;

export class PendingSave implements Pending {
  readonly name: string;
  readonly batch: object;
  /** Its place among the operations of the batch. */
  readonly operation: number;
  /** Where the batch runs under a lock of its own, known once it does. */
  version: number | undefined;

  constructor(name: string, batch: object, operation: number) {
    this.name = name;
    this.batch = batch;
    this.operation = operation;
  }
}

/** A save as it was queued. */
export interface QueuedSave<R> {
  name: string;
  value: TakenValue<Uint8Array>;
  taken: TakenOptions<R>;
  pending: PendingSave;
}

/**
 * Takes the operations of a batch at the call, checks them as those of single calls are checked, and keeps them in their
 * order. What they become is up to who applies them: `R` is how that names a version.
 */
export abstract class BatchQueue<Operation, R> implements Batch {
  readonly #codecs: CodecRegistry;
  readonly #keepsModels: boolean;
  /** Each is ready at once, but for saves whose code is still being read from files, or whose bytes are being put away. */
  readonly #operations: (Operation | Promise<Operation>)[] = [];
  #open = true;

  /** @param keepsModels models go to a backend unless something else is said */
  constructor(codecs: CodecRegistry, keepsModels: boolean) {
    this.#codecs = codecs;
    this.#keepsModels = keepsModels;
  }

  protected abstract refTo(target: ParsedRef | PendingSave): R;
  protected abstract saving(save: QueuedSave<R>): Operation | Promise<Operation>;
  protected abstract aliasing(name: string, alias: string, version: number | PendingSave): Operation;
  protected abstract removingAlias(name: string, alias: string): Operation;
  protected abstract annotating(target: R, changes: Annotation): Operation;
  protected abstract deleting(target: R, options: DeleteOptions): Operation;

  /** Operations so far. */
  get length(): number {
    return this.#operations.length;
  }

  save(name: string, value: unknown, options: BatchSaveOptions = {}): Pending {
    this.#checkOpen();
    const taken = takeOptions(name, options, (input: Ref | Pending) => this.#refOf(input));
    if (isByteSource(value)) throw isSource(name);
    const encoded = takeValue(this.#codecs, value, options);
    if (this.#keepsModels && isModel(encoded) && options.backend === undefined) throw notInBatch();
    const pending = new PendingSave(name, this, this.length);
    this.#queue(() => this.saving({ name, value: encoded, taken, pending }));
    return pending;
  }

  setAlias(name: string, alias: string, version: number | Pending): void {
    checkName(name);
    checkAlias(alias);
    if (!(version instanceof PendingSave)) checkVersion(version);
    else if (version.name !== name) throw otherName(name, version);
    else this.#checkOwn(version);
    this.#queue(() => this.aliasing(name, alias, version as number | PendingSave));
  }

  deleteAlias(name: string, alias: string): void {
    checkName(name);
    checkAlias(alias);
    this.#queue(() => this.removingAlias(name, alias));
  }

  annotate(ref: Ref | Pending, annotation: Annotation): void {
    const target = this.#refOf(ref);
    const changes = takeAnnotation(annotation);
    this.#queue(() => this.annotating(target, changes));
  }

  delete(ref: Ref | Pending, options: DeleteOptions = {}): void {
    const target = ref instanceof PendingSave ? this.#refOf(ref) : this.refTo(parseRefToDelete(ref));
    this.#queue(() => this.deleting(target, options));
  }

  /**
   * Lets a function queue its operations; where it fails, nothing of them is done. A promise only where it gives one, so that
   * batches and saves apply in the order of their calls.
   */
  fill(fn: (batch: Batch) => void | Promise<void>): Promise<void> | undefined {
    try {
      const filled = fn(this);
      if (typeof filled?.then !== "function") return undefined;
      return Promise.resolve(filled).catch((error: unknown) => this.#giveUp(error));
    } catch (error) {
      return this.#giveUp(error);
    }
  }

  /** Ends the queueing and gives what was queued: at once, unless something of it is still waited for. */
  protected ended(): Operation[] | Promise<Operation[]> {
    this.#open = false;
    const waiting = this.#operations.some((operation) => operation instanceof Promise);
    return waiting ? Promise.all(this.#operations) : (this.#operations as Operation[]);
  }

  /** Ends the queueing without doing anything. */
  #giveUp(error: unknown): never {
    this.#open = false;
    for (const operation of this.#operations) if (operation instanceof Promise) operation.catch(() => {});
    throw error;
  }

  #queue(make: () => Operation | Promise<Operation>): void {
    this.#checkOpen();
    if (this.length >= OPERATIONS_MAX) {
      throw new VarveError("INVALID_ARGUMENT", `a batch holds at most ${OPERATIONS_MAX} operations`, {
        hint: "use several batches",
      });
    }
    this.#operations.push(make());
  }

  #refOf(ref: Ref | Pending): R {
    if (!(ref instanceof PendingSave)) return this.refTo(parseRef(ref));
    this.#checkOwn(ref);
    return this.refTo(ref);
  }

  #checkOwn(pending: PendingSave): void {
    if (pending.batch === this) return;
    throw new VarveError("INVALID_ARGUMENT", `the pending save of ${pending.name} belongs to another batch`, {
      hint: "use the artifacts that a batch resolves with",
    });
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
