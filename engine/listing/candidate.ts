import type { Environment, JsonObject } from "../api.ts";
import { digestOf, mediaTypeOf, sizeOf } from "../artifact.ts";
import type { VersionContent } from "../artifact-record.ts";
import { isRewritten, isToldByContent, tagMediaType } from "../artifact-record.ts";
import type { VersionRow } from "../versions.ts";
import type { Facts } from "../where/evaluate.ts";
import type { FieldName } from "../where/expression.ts";

/** What must be read before a question about a version can be answered: bits that may be joined, the cheaper the smaller. */
export const Needs = {
  /** The row in the index. */
  row: 0,
  /** The row, unless the value is in chunks or elsewhere, or its bytes are gone. */
  size: 1,
  /** The row, unless the version was written again after its save. */
  created: 2,
  /** The row, unless the value is neither CBOR nor plain bytes. */
  mediaType: 4,
  /** The content: inline in the row up to 256 bytes, else in the log. */
  content: 8,
  environment: 16,
  /** The row, unless the value is in chunks or elsewhere. */
  digest: 32,
} as const;
export type Needs = number;

export const FIELD_NEEDS: Record<FieldName, Needs> = {
  name: Needs.row,
  version: Needs.row,
  size: Needs.size,
  digest: Needs.digest,
  createdAt: Needs.created,
  sequence: Needs.created,
  mediaType: Needs.mediaType,
  tags: Needs.content,
  metadata: Needs.content,
  createdBy: Needs.environment,
};

/** Where the content and the environment of a version are read. */
export interface ContentSource {
  contentOf(found: VersionRow): VersionContent | Promise<VersionContent>;
  environmentOf(content: VersionContent): Environment | Promise<Environment>;
}

/** A version that a filter looks at, of which no more is read than the filter asks for. */
export class Candidate implements Facts {
  readonly found: VersionRow;
  readonly #source: ContentSource;
  #content: VersionContent | undefined;
  #environment: Environment | undefined;

  constructor(found: VersionRow, source: ContentSource) {
    this.found = found;
    this.#source = source;
  }

  /** Reads what is needed and not there yet: undefined when that took no waiting. */
  ready(needs: Needs): Promise<void> | undefined {
    if (!this.#lacks(needs)) return undefined;
    return this.#read(needs);
  }

  #lacks(needs: Needs): boolean {
    if (needs & Needs.environment && this.#environment === undefined) return true;
    if (needs === Needs.row || this.#content) return false;
    if (needs & (Needs.content | Needs.environment)) return true;
    const { row } = this.found;
    const lacksSize = needs & Needs.size && (!row.blob || isToldByContent(row));
    const lacksDigest = needs & Needs.digest && isToldByContent(row);
    const lacksTime = needs & Needs.created && isRewritten(row);
    const lacksType = needs & Needs.mediaType && tagMediaType(row) === undefined;
    return Boolean(lacksSize || lacksDigest || lacksTime || lacksType);
  }

  async #read(needs: Needs): Promise<void> {
    this.#content ??= await this.#source.contentOf(this.found);
    if (needs & Needs.environment) this.#environment = await this.#source.environmentOf(this.#content);
  }

  get name(): string {
    return this.found.name;
  }

  get version(): number {
    return this.found.version;
  }

  get writtenAt(): number {
    return this.found.row.time;
  }

  get size(): number {
    return sizeOf(this.found.row, this.#content);
  }

  get digest(): string {
    return digestOf(this.found.row, this.#content);
  }

  get createdAt(): number {
    return (this.#content?.created ?? this.found.row).time;
  }

  get sequence(): number {
    return (this.#content?.created ?? this.found.row).sequence;
  }

  get mediaType(): string {
    return mediaTypeOf(this.found.row, this.#content ?? {});
  }

  get tags(): Record<string, string> {
    return this.#content?.tags ?? {};
  }

  get metadata(): JsonObject {
    return this.#content?.metadata ?? {};
  }

  get createdBy(): string | undefined {
    return this.#environment?.user;
  }
}
