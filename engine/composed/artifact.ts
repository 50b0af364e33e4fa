import type {
  Artifact,
  Backend,
  ByteRange,
  CallOptions,
  Code,
  Environment,
  JsonObject,
  MlflowFacts,
} from "../api.ts";
import type { ValueSource } from "../artifact.ts";
import { checkedRange } from "../artifact.ts";
import { mlflowFacts } from "../backend/kept.ts";
import { digestText } from "../blob/digest.ts";
import type { ListedFacts } from "../filter.ts";
import type { VersionRecord } from "../ports/metadata-store.ts";

/** What the value of a version is found by. */
export type StoredBlob = Pick<VersionRecord, "name" | "version" | "digest" | "size" | "mediaType" | "kept">;

export type BlobSource = ValueSource<StoredBlob>;

/** A snapshot of one version, over the place that its value is in. */
export class RecordArtifact implements Artifact {
  readonly name: string;
  readonly version: number;
  readonly ref: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly size: number;
  readonly createdAt: Date;
  readonly sequence: number;
  readonly backend: Backend;
  readonly inputs: string[];
  readonly environment: Environment;
  readonly tags: Record<string, string>;
  readonly metadata: JsonObject;
  readonly aliases: string[];
  readonly deleted: boolean;
  declare readonly createdBy?: string;
  declare readonly code?: Code;
  declare readonly mlflow?: MlflowFacts;
  readonly #stored: StoredBlob;
  readonly #source: BlobSource;

  constructor(record: VersionRecord, source: BlobSource) {
    const { name, version, digest, size, mediaType, kept } = record;
    this.name = name;
    this.version = version;
    this.ref = `${name}:${version}`;
    this.digest = digestText(digest);
    this.mediaType = mediaType;
    this.size = size;
    this.createdAt = new Date(record.createdAt);
    this.sequence = record.sequence;
    this.backend = record.backend;
    this.inputs = [...record.inputs];
    this.environment = frozen(record.environment);
    this.tags = { ...record.tags };
    this.metadata = record.metadata;
    this.aliases = [...record.aliases];
    this.deleted = record.deleted;
    if (record.environment.user !== undefined) this.createdBy = record.environment.user;
    if (record.code) this.code = record.code;
    const facts = kept && mlflowFacts(kept);
    if (facts) this.mlflow = facts;
    this.#stored = { name, version, digest, size, mediaType, ...(kept && { kept }) };
    this.#source = source;
  }

  value<T = unknown>(options?: CallOptions): Promise<T> {
    return this.#source.value(this.#stored, options) as Promise<T>;
  }

  async bytes(range?: ByteRange, options?: CallOptions): Promise<Uint8Array> {
    return this.#source.bytes(this.#stored, checkedRange(range, this.size), options);
  }

  stream(range?: ByteRange, options?: CallOptions): ReadableStream<Uint8Array> {
    return ReadableStream.from(this.#source.pieces(this.#stored, checkedRange(range, this.size), options));
  }

  writeTo(path: string, options?: CallOptions): Promise<void> {
    return this.#source.writeTo(this.#stored, path, options);
  }
}

/** Artifacts share it. */
function frozen(environment: Environment): Environment {
  if (Object.isFrozen(environment)) return environment;
  for (const part of Object.values(environment)) Object.freeze(part);
  return Object.freeze(environment);
}

/** What filters look at. */
export function factsOf(record: VersionRecord): ListedFacts {
  const { name, version, size, sequence, mediaType, digest, tags, metadata, createdAt, environment } = record;
  return {
    ...{ name, version, size, sequence, mediaType, tags, metadata, createdAt },
    digest: digestText(digest),
    createdBy: environment.user,
    writtenAt: createdAt,
  };
}
