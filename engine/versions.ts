import { AliasRows, aliasesOf, aliasVersion, aliasVersions } from "./alias-rows.ts";
import type { Artifact, CallOptions, Code, Environment } from "./api.ts";
import type { ArtifactParts } from "./artifact.ts";
import { keptVersion, mediaTypeOf, StoredArtifact, sizeOf } from "./artifact.ts";
import {
  aliasesRange,
  aliasKey,
  versionInKey,
  versionKey,
  versionsRange,
  versionsStart,
} from "./artifact-key.ts";
import type { VersionContent } from "./artifact-record.ts";
import {
  codeReference,
  decodeVersionContent,
  decodeVersionContentWithin,
  isChunked,
  isDeleted,
  isElsewhere,
  isPlain,
  isToldByContent,
  tagMediaType,
} from "./artifact-record.ts";
import type { EngineCore } from "./engine.ts";
import { isCorruption } from "./errors.ts";
import { LazyRow } from "./index/lazy-row.ts";
import type { Row } from "./index/rows.ts";
import { goneSince, notFound } from "./not-found.ts";
import type { FoundVersion } from "./operations.ts";
import type { ParsedRef } from "./ref.ts";
import { standsForMany } from "./refusals.ts";
import { SharedBlobs } from "./shared-blobs.ts";
import type { Values } from "./values.ts";
import type { RowReader, VersionRow } from "./version-row.ts";

export type { RowReader, VersionRow } from "./version-row.ts";

function versionOf(name: string, { key, row }: { key: Buffer; row: Row }): VersionRow {
  return { name, version: versionInKey(key), key, row };
}

/** Finds versions in the index and makes artifacts of them. */
export class Versions {
  readonly #core: EngineCore;
  readonly #values: Values;
  readonly #shared: SharedBlobs;

  constructor(core: EngineCore, values: Values) {
    this.#core = core;
    this.#values = values;
    this.#shared = new SharedBlobs(core);
  }

  /** The row that a ref points at, deleted ones left out: one look-up. */
  find(ref: ParsedRef): VersionRow | undefined {
    switch (ref.kind) {
      case "latest":
        return this.#latest(ref.name);
      case "version":
        return this.#live(ref.name, ref.version);
      case "alias": {
        const alias = this.#core.row(aliasKey(ref.name, ref.alias));
        const found = alias && this.#live(ref.name, aliasVersion(alias));
        return found && { ...found, alias };
      }
      case "all":
        throw standsForMany(ref);
    }
  }

  /** The latest version, where `ref` is a name that was asked for lately: most are, and need not be taken apart. */
  known(ref: unknown): VersionRow | undefined {
    const found = typeof ref === "string" ? this.#core.knownFirst(ref) : undefined;
    return found && !isDeleted(found.row) ? versionOf(ref as string, found) : undefined;
  }

  /** As `find`. @throws NOT_FOUND, with the hint that fits when the version was deleted. */
  require(ref: ParsedRef): VersionRow {
    const found = this.find(ref);
    if (found) return found;
    const deleted = ref.kind === "version" ? this.#core.row(versionKey(ref.name, ref.version)) : undefined;
    throw notFound(ref, deleted, this.#core);
  }

  #live(name: string, version: number): VersionRow | undefined {
    const key = versionKey(name, version);
    const row = this.#core.row(key);
    return row && !isDeleted(row) ? { name, version, key, row } : undefined;
  }

  #latest(name: string): VersionRow | undefined {
    let found = this.#core.firstOf(name, () => versionsStart(name));
    while (found && isDeleted(found.row)) {
      found = this.#core.first({ ...versionsRange(name), start: found.key, exclusiveStart: true });
    }
    return found && versionOf(name, found);
  }

  /** The latest version of a name, if it is of that media type, and its value is in the log. */
  async newest(name: string, mediaType: string): Promise<{ row: Row; content: VersionContent } | undefined> {
    const found = this.#latest(name);
    const content = found && !isElsewhere(found.row) && (await this.contentOf(found));
    return content && mediaTypeOf(found.row, content) === mediaType ? { row: found.row, content } : undefined;
  }

  /** Undefined when a power cut can take nothing of what was found back, else a promise for that. */
  settle({ row, alias }: VersionRow): Promise<void> | undefined {
    return this.#core.settle(alias && alias.sequence > row.sequence ? alias : row);
  }

  /** The value of a version: at once where it is small structured data and on the disk for good. */
  load(found: VersionRow, options?: CallOptions): unknown {
    const unsettled = this.settle(found);
    if (isPlain(found.row) && !unsettled) return this.#values.decodePlain(found.row);
    return this.#loadAny(found, unsettled, options);
  }

  async #loadAny(
    found: VersionRow,
    unsettled: Promise<void> | undefined,
    options?: CallOptions,
  ): Promise<unknown> {
    if (unsettled) await unsettled;
    const { row } = found;
    const known = isToldByContent(row) ? undefined : tagMediaType(row);
    const content = known === undefined ? await this.contentOf(found) : undefined;
    const mediaType = known ?? mediaTypeOf(row, content!);
    const kept = content && keptVersion({ ...found, content });
    return this.#values.decode({ row, mediaType, size: sizeOf(row, content), kept }, options);
  }

  /** The artifact of a row, with the aliases that `reader` sees; at once where nothing has to be waited for. */
  artifact(found: VersionRow, reader: RowReader = this.#core): Artifact | Promise<Artifact> {
    const unsettled = this.settle(found);
    if (unsettled) return unsettled.then(() => this.artifact(found, reader));
    const aliases = this.settledAliases(found.name, reader);
    if (!(aliases instanceof Promise)) return this.#artifact(found, aliases, reader);
    return aliases.then((settled) => this.#artifact(found, settled, reader));
  }

  #artifact(
    found: VersionRow,
    aliases: ReadonlyMap<string, number>,
    reader: RowReader = this.#core,
  ): Artifact | Promise<Artifact> {
    const content = this.contentOf(found);
    if (content instanceof Promise)
      return content.then((read) => this.#withContent(found, read, aliases, reader));
    return this.#withContent(found, content, aliases, reader);
  }

  #withContent(
    found: VersionRow,
    content: VersionContent,
    aliases: ReadonlyMap<string, number>,
    reader: RowReader,
  ): Artifact | Promise<Artifact> {
    const { name, version, row } = found;
    const environment = this.environmentOf(content);
    const isWaiting = environment instanceof Promise;
    const parts: ArtifactParts = {
      name,
      version,
      row,
      placeOf: isChunked(row) ? reader.placeOfBlob?.bind(reader) : undefined,
      content,
      aliases: aliasesOf(version, aliases),
      code: content.code && { sources: content.code },
      environment: isWaiting ? {} : environment,
    };
    if (!isWaiting && !content.codeIsBlob) return new StoredArtifact(parts, this.#values);
    return this.#withBlobs(found, parts, environment, reader);
  }

  async #withBlobs(
    found: VersionRow,
    parts: ArtifactParts,
    environment: Environment | Promise<Environment>,
    reader: RowReader,
  ): Promise<Artifact> {
    const [read, code] = await Promise.all([
      environment,
      parts.content.codeIsBlob ? this.#code(found, reader) : undefined,
    ]);
    return new StoredArtifact(
      { ...parts, code: code ? structuredClone(code) : parts.code, environment: read },
      this.#values,
    );
  }

  /** The code that made a version, frozen where others share it. */
  codeOf(found: VersionRow, content: VersionContent, reader: RowReader = this.#core) {
    return content.codeIsBlob ? this.#code(found, reader) : content.code && { sources: content.code };
  }

  /** Undefined when it was compacted away with a deleted version. */
  async #code({ key, row, isWritten }: VersionRow, reader: RowReader): Promise<Code | undefined> {
    const digest = codeReference(row);
    try {
      return await this.#shared.get<Code>(digest, reader.placeOfBlob?.(digest));
    } catch (error) {
      if (this.#core.catalog.blob(digest) || !isCorruption(error)) throw error;
      if (isDeleted(row)) return undefined;
      if (this.#core.row(key)?.sequence === row.sequence) throw error;
      // Deleted, and compacted away, since the row was read: whoever asked has to look again, unless it is done already.
      if (isWritten) return undefined;
      throw goneSince(error);
    }
  }

  /** As `written`, for those of one batch: most of their names have no aliases. */
  async writtenTogether(saved: readonly FoundVersion[]): Promise<Artifact[]> {
    const snapshot = this.#core.snapshot();
    try {
      const reader = new AliasRows(snapshot);
      return await Promise.all(saved.map((each) => this.#written(each, this.aliases(each.name, reader))));
    } finally {
      snapshot.close();
    }
  }

  /** The artifact of a version that this process has just written, and waited for as long as it wanted. */
  written(saved: FoundVersion): Artifact | Promise<Artifact> {
    return this.#written(saved, this.aliases(saved.name));
  }

  #written(
    { name, version, row, content }: FoundVersion,
    aliases: ReadonlyMap<string, number>,
  ): Artifact | Promise<Artifact> {
    const found = { name, version, key: versionKey(name, version), row, isWritten: true } as const;
    return this.#withContent(found, content, aliases, this.#core);
  }

  /** The artifact of a version that was new when this process wrote it. */
  saved(saved: FoundVersion, code: Code | undefined): Artifact | Promise<Artifact> {
    const { content } = saved;
    const environment = this.environmentOf(content);
    if (environment instanceof Promise) return environment.then((known) => this.#made(saved, code, known));
    return this.#made(saved, code, environment);
  }

  #made(
    { name, version, row, content }: FoundVersion,
    code: Code | undefined,
    environment: Environment,
  ): Artifact {
    const own = code && structuredClone(code);
    const parts = { name, version, row, placeOf: undefined, content, aliases: [], code: own, environment };
    return new StoredArtifact(parts, this.#values);
  }

  /** Alias to version, once nothing of it can be taken back by a power cut. */
  settledAliases(
    name: string,
    reader: RowReader = this.#core,
  ): ReadonlyMap<string, number> | Promise<ReadonlyMap<string, number>> {
    const rows = aliasRowsOf(name, reader);
    if (rows.length === 0) return aliasVersions(rows);
    const unsettled = rows.flatMap(({ row }) => this.#core.settle(row) ?? []);
    if (unsettled.length === 0) return aliasVersions(rows);
    return Promise.all(unsettled).then(() => aliasVersions(rows));
  }

  /** What a version's row says besides its value. */
  contentOf(found: VersionRow): VersionContent | Promise<VersionContent> {
    const { row } = found;
    const inline = row instanceof LazyRow ? row.useInline(decodeVersionContentWithin) : undefined;
    if (inline) return inline;
    const content = this.#core.content(found.key, row);
    return content instanceof Promise ? content.then(decodeVersionContent) : decodeVersionContent(content);
  }

  /** Frozen, since all versions that were made in it share it. */
  environmentOf(content: VersionContent): Environment | Promise<Environment> {
    return this.#shared.environmentOf(content);
  }

  /** An environment that is known without being read; frozen. */
  remember(digest: Buffer, environment: Environment): void {
    this.#shared.remember(digest, environment);
  }

  /** Alias to version, sorted. */
  aliases(name: string, reader: RowReader = this.#core): ReadonlyMap<string, number> {
    return aliasVersions(aliasRowsOf(name, reader));
  }
}

function aliasRowsOf(name: string, reader: RowReader): { key: Buffer; row: Row }[] {
  return reader.aliasRows ? reader.aliasRows(name) : reader.rows(aliasesRange(name));
}
