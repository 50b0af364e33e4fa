import type { Kysely } from "./query-builder.ts";

/** The tables as they are now. Their history is in `migrations.ts`, what they are for in README.md. */
export interface Tables {
  /** `schema`: the number of the newest migration. `store_id`. */
  varve_meta: { item: string; value: string };
  varve_counter: CounterRow;
  varve_names: NameRow;
  varve_versions: VersionRow;
  varve_aliases: AliasRow;
  /** The first half of SHA-256 of each tag of a version, to be found by. */
  varve_tags: { hash: Uint8Array; name: string; version: number };
  varve_edges: { input_name: string; input_version: number; name: string; version: number };
  /** Environments and code, once each, as JSON, by the SHA-256 of that. */
  varve_documents: { digest: Uint8Array; content: string };
  varve_operations: OperationRow;
}

export type Db = Kysely<Tables>;
export type TableName = keyof Tables;

/** What is in a column, as far as a parameter of many rows has to say it. */
export type ColumnKind = "text" | "number" | "small" | "bytes";

/** Of the columns that are no text. */
const KINDS: Record<string, ColumnKind> = {
  ...{ id: "number", sequence: "number", time: "number", newest: "number", latest: "number" },
  ...{ version: "number", input_version: "number", created_at: "number", size: "number", changed: "number" },
  ...{ deleted: "number", forgotten: "small", ordinal: "number", horizon: "number", removals: "number" },
  ...{ digest: "bytes", stamps: "bytes", code: "bytes", environment: "bytes", hash: "bytes", token: "bytes" },
};

export function kindOf(column: string): ColumnKind {
  return KINDS[column] ?? "text";
}

/** The one row that who writes, or migrates, holds until it is done. */
export interface CounterRow {
  id: number;
  /** The newest operation, and its time. */
  sequence: number;
  time: number;
  /** The operation up to which history is forgotten. */
  horizon: number;
  /** How often documents were removed: who knew of one before, looks again. */
  removals: number;
}

export interface NameRow {
  name: string;
  /** The version that was given last. */
  newest: number;
  /** The latest live one. */
  latest: number | null;
}

export interface VersionRow {
  name: string;
  version: number;
  sequence: number;
  created_at: number;
  digest: Uint8Array;
  size: number;
  /** As a JSON string without its quotes. */
  media_type: string;
  stamps: Uint8Array | null;
  backend: string;
  /** The user, as a JSON string without its quotes, so long as it is short. */
  created_by: string | null;
  code: Uint8Array | null;
  environment: Uint8Array;
  /** JSON; null where there are none. */
  inputs: string | null;
  tags: string | null;
  metadata: string | null;
  /** The operation that wrote the row last. */
  changed: number;
  /** The operation that deleted it; null of live ones. */
  deleted: number | null;
  forgotten: number;
  /** JSON: aliases that went with it when it was deleted. */
  removed_aliases: string | null;
  /** JSON: what finds a value that a storage backend keeps; null of all others. */
  kept: string | null;
}

export interface AliasRow {
  name: string;
  alias: string;
  version: number;
  /** The operation that set it. */
  sequence: number;
}

export interface OperationRow {
  sequence: number;
  /** Its place among those of the sequence number. */
  ordinal: number;
  time: number;
  kind: string;
  name: string;
  version: number | null;
  alias: string | null;
  /** JSON. */
  state: string | null;
  /** Of the transaction: who does not know whether it was committed looks for it. */
  token: Uint8Array;
}
