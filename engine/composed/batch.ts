import type { Annotation, DeleteOptions, Environment } from "../api.ts";
import type { PendingSave, QueuedSave } from "../batch-queue.ts";
import { BatchQueue } from "../batch-queue.ts";
import type { CodecRegistry } from "../codec/codec.ts";
import type { MetadataOperation, Target } from "../ports/metadata-store.ts";
import type { ParsedRef } from "../ref.ts";
import type { ReadyUnit } from "./commits.ts";
import type { Kept } from "./puts.ts";
import type { ValueSaver } from "./save.ts";
import { saveOperation } from "./save.ts";

interface Queued {
  operation: MetadataOperation;
  kept?: Kept;
}

/** Queues operations, the bytes of their values put at once, to be committed as one unit. */
export class UnitBatch extends BatchQueue<Queued, Target> {
  readonly #values: ValueSaver;
  readonly #environment: () => Environment;

  constructor(
    codecs: CodecRegistry,
    values: ValueSaver,
    environment: () => Environment,
    keepsModels: boolean,
  ) {
    super(codecs, keepsModels);
    this.#values = values;
    this.#environment = environment;
  }

  async end(): Promise<ReadyUnit> {
    const queued = await this.ended();
    return {
      operations: queued.map(({ operation }) => operation),
      kept: queued.flatMap(({ kept }) => kept ?? []),
    };
  }

  protected refTo(target: ParsedRef | PendingSave): Target {
    return "kind" in target ? target : { kind: "pending", operation: target.operation };
  }

  protected async saving({ name, value, taken }: QueuedSave<Target>): Promise<Queued> {
    const environment = this.#environment();
    const [{ facts, kept }, code] = await Promise.all([this.#values.keep(value), taken.code]);
    return { operation: saveOperation(name, facts, taken, code, environment), kept };
  }

  protected aliasing(name: string, alias: string, version: number | PendingSave): Queued {
    const target =
      typeof version === "number" ? version : ({ kind: "pending", operation: version.operation } as const);
    return { operation: { kind: "alias", name, alias, version: target } };
  }

  protected removingAlias(name: string, alias: string): Queued {
    return { operation: { kind: "deleteAlias", name, alias } };
  }

  protected annotating(target: Target, changes: Annotation): Queued {
    return { operation: annotateOperation(target, changes) };
  }

  protected deleting(target: Target, { aliases }: DeleteOptions): Queued {
    return { operation: { kind: "delete", target, aliases: aliases === true } };
  }
}

export function annotateOperation(target: Target, { tags, metadata }: Annotation): MetadataOperation {
  return { kind: "annotate", target, ...(tags && { tags }), ...(metadata && { metadata }) };
}
