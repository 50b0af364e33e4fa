import { aliasesRange, allAliasesRange, parseAliasKey } from "./artifact-key.ts";
import { decodeAliasContent } from "./artifact-record.ts";
import { damagedRow } from "./blob-reader.ts";
import { compareBytes } from "./directory/entry.ts";
import type { EnvironmentRange } from "./index/lmdb.ts";
import type { Row } from "./index/rows.ts";
import type { RecordPlace } from "./log/reader.ts";
import type { EngineSnapshot } from "./snapshot.ts";

/** Names that lie behind one that has aliases and before another: they have none. */
interface Gap {
  /** Undefined where no name before has aliases. */
  after: string | undefined;
  before: string | undefined;
}

const NO_ROWS: { key: Buffer; row: Row }[] = [];
const NO_ALIASES: ReadonlyMap<string, number> = new Map();
const ALL = allAliasesRange();

/**
 * A snapshot for who asks for the aliases of many names, most of which have none: where one has none, it looks for the
 * names around it that have some, and answers for all between them without a look into the index, or even a key made.
 */
export class AliasRows {
  readonly snapshot: EngineSnapshot;
  #gap: Gap | undefined;

  constructor(snapshot: EngineSnapshot) {
    this.snapshot = snapshot;
  }

  row(key: Uint8Array): Row | undefined {
    return this.snapshot.row(key);
  }

  rows(range: EnvironmentRange): { key: Buffer; row: Row }[] {
    return this.snapshot.rows(range);
  }

  placeOfBlob(digest: Buffer): RecordPlace | undefined {
    return this.snapshot.placeOfBlob(digest);
  }

  /** The rows of a name's aliases. */
  aliasRows(name: string): { key: Buffer; row: Row }[] {
    if (this.#gap && isIn(name, this.#gap)) return NO_ROWS;
    const { start, end } = aliasesRange(name);
    const found = this.snapshot.rows({ start, end });
    if (found.length === 0) {
      const after = this.#firstName({ start, end: ALL.start, reverse: true });
      this.#gap = { after, before: this.#firstName({ start: end, end: ALL.end }) };
    }
    return found;
  }

  #firstName(range: EnvironmentRange): string | undefined {
    const [first] = this.snapshot.rows({ ...range, limit: 1 });
    return first && parseAliasKey(first.key).name;
  }
}

function isIn(name: string, { after, before }: Gap): boolean {
  const isBehind = after === undefined || compareBytes(name, after) > 0;
  return isBehind && (before === undefined || compareBytes(name, before) < 0);
}

/** The version that an alias stands for. @throws CORRUPTION where the record of its row is damaged */
export function aliasVersion(row: Row): number {
  if (!row.inline) throw damagedRow(row);
  return decodeAliasContent(row.inline);
}

/** Alias to version, of the rows of a name's aliases. @throws CORRUPTION */
export function aliasVersions(rows: { key: Buffer; row: Row }[]): ReadonlyMap<string, number> {
  if (rows.length === 0) return NO_ALIASES;
  return new Map(rows.map(({ key, row }) => [parseAliasKey(key).alias, aliasVersion(row)]));
}

/** Those of one version. */
export function aliasesOf(version: number, aliases: ReadonlyMap<string, number>): string[] {
  if (aliases.size === 0) return [];
  return [...aliases].filter(([, target]) => target === version).map(([alias]) => alias);
}
