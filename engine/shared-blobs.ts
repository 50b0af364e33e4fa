import type { Environment } from "./api.ts";
import type { VersionContent } from "./artifact-record.ts";
import { decodeValue } from "./codec/cbor.ts";
import type { EngineCore } from "./engine.ts";
import type { RecordPlace } from "./log/reader.ts";

const DECODED_MAX = 64;

/** Sources and environments repeat from version to version, so the last few are kept decoded. */
export class SharedBlobs {
  readonly #core: EngineCore;
  readonly #decoded = new Map<string, unknown>();
  /** Most versions that are read one after another were made in the same. */
  #last: { digest: Uint8Array; environment: Environment } | undefined;

  constructor(core: EngineCore) {
    this.#core = core;
  }

  /** Frozen, since all versions that were made in it share it. */
  environmentOf({ environment }: VersionContent): Environment | Promise<Environment> {
    if (!environment) return {};
    if (this.#last?.digest === environment) return this.#last.environment;
    const found = this.get<Environment>(Buffer.from(environment));
    if (!(found instanceof Promise)) this.#last = { digest: environment, environment: found };
    return found;
  }

  /** An environment that is known without being read; frozen. */
  remember(digest: Buffer, environment: Environment): void {
    this.#decoded.set(digest.toString("latin1"), environment);
  }

  /** A blob of the store's own, decoded and frozen. */
  get<T>(digest: Buffer, before?: RecordPlace): T | Promise<T> {
    const known = this.#decoded.get(digest.toString("latin1"));
    return known === undefined ? this.#read<T>(digest, before) : (known as T);
  }

  async #read<T>(digest: Buffer, before: RecordPlace | undefined): Promise<T> {
    const value = deepFreeze(decodeValue(await this.#core.blobByDigest(digest, before)));
    if (this.#decoded.size >= DECODED_MAX) this.#decoded.clear();
    this.#decoded.set(digest.toString("latin1"), value);
    return value as T;
  }
}

function deepFreeze(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  for (const member of Object.values(value)) deepFreeze(member);
  return Object.freeze(value);
}
