import { Buffer } from "node:buffer";
import type { Environment } from "../api.ts";
import type { VersionContent } from "../artifact-record.ts";
import { encodeValue } from "../codec/cbor.ts";
import { MEDIA_TYPE_BYTES, MEDIA_TYPE_CBOR } from "../codec/codec.ts";
import { OPERATION_BYTES } from "../commit.ts";
import type { EngineCore } from "../engine.ts";
import type { PreparedEnvironment } from "../environment/stored.ts";
import type { SavePlan } from "../operations.ts";
import type { MetadataOperation, SaveOperation } from "../ports/metadata-store.ts";
import { placeCode } from "../save.ts";
import type { PreparedOperation } from "./embedded-unit.ts";

export interface PlannedOperation extends PreparedOperation {
  /** About how much it writes. */
  bytes: number;
}

/** Does what takes time and needs no lock: code and environments as blobs, and all that versions' rows say. */
export class SavePlanner {
  readonly #core: EngineCore;
  /** Most versions that a process saves are made in one environment, which it gives each time. */
  readonly #environments = new WeakMap<Environment, PreparedEnvironment>();

  constructor(core: EngineCore) {
    this.#core = core;
  }

  prepared(operation: MetadataOperation): PlannedOperation {
    if (operation.kind !== "save") return { operation, bytes: OPERATION_BYTES };
    const plan = this.#plan(operation);
    return { operation, plan, bytes: OPERATION_BYTES + (plan.code?.bytes.length ?? 0) };
  }

  /** Their environments are in the log now. */
  stored(planned: readonly PlannedOperation[]): void {
    for (const { plan } of planned) if (plan?.environment) plan.environment.stored = true;
  }

  #plan(save: SaveOperation): Omit<SavePlan, "inputs"> {
    const { name, value, backend, tags, metadata, ifVersion } = save;
    const { mediaType, digest, size, stamps, kept } = value;
    const environment = this.#environment(save.environment);
    const content: VersionContent = {
      ...(mediaType !== MEDIA_TYPE_CBOR && mediaType !== MEDIA_TYPE_BYTES && { mediaType }),
      ...(Object.keys(tags).length > 0 && { tags }),
      ...(Object.keys(metadata).length > 0 && { metadata }),
      ...(environment && { environment: environment.blob.digest }),
      size,
      digest,
      ...(stamps && { stamps }),
      ...(backend === "mlflow" && { backend }),
      ...(kept && { kept }),
    };
    // Adds to the content.
    const code = save.code && placeCode(this.#core, save.code, content);
    return {
      ...{ name, value: undefined, isChunked: false, mediaType, code, stamps: undefined },
      ...{ content, environment, ifVersion, salt: this.#core.salt },
    };
  }

  #environment(environment: Environment): PreparedEnvironment | undefined {
    if (Object.keys(environment).length === 0) return undefined;
    const known = this.#environments.get(environment);
    if (known) return known;
    const blob = this.#core.prepareBlob(Buffer.from(encodeValue(environment, "environment")));
    const prepared = { blob, stored: false };
    // What may still be changed is looked at again the next time.
    if (Object.isFrozen(environment)) this.#environments.set(environment, prepared);
    return prepared;
  }
}
