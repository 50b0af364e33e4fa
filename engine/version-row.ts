import type { EnvironmentRange } from "./index/lmdb.ts";
import type { Row } from "./index/rows.ts";
import type { RecordPlace } from "./log/reader.ts";

/** A version as it is in the index. */
export interface VersionRow {
  name: string;
  version: number;
  key: Buffer;
  row: Row;
  /** Of the alias that it was found by. */
  alias?: Row;
  /** By this process, which has done so whatever became of it since. */
  isWritten?: true;
}

/** What rows are read from: the engine as it is now, or a snapshot of it. */
export interface RowReader {
  row(key: Uint8Array): Row | undefined;
  rows(range: EnvironmentRange): { key: Buffer; row: Row }[];
  /** Those of a name's aliases, where there is a shorter way to them. */
  aliasRows?(name: string): { key: Buffer; row: Row }[];
  /** Where a blob lay then; a snapshot knows, as long as it is open. */
  placeOfBlob?(digest: Buffer): RecordPlace | undefined;
}
