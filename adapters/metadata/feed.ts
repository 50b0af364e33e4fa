import type { JsonObject, OperationRecord } from "../../engine/main.ts";
import { behindHorizon } from "../../engine/main.ts";
import type { Documents } from "./documents.ts";
import { readCounter } from "./migrate.ts";
import { PAGE_ROWS, type Parts } from "./reading.ts";
import type { StoredState } from "./rows.ts";
import type { Db, OperationRow } from "./schema.ts";

/** The operations as they are kept, in pages. */

/** @throws NOT_FOUND once one that was to come is forgotten */
export async function* operationsAfter(
  { db, dialect, documents }: Parts,
  after: number,
): AsyncGenerator<OperationRecord[]> {
  /** All up to it was given. */
  let read = after;
  /** Of the batch behind that, what was given last. */
  let last: OperationRow | undefined;
  for (;;) {
    const rows = await rowsBehind(db, read, last);
    const page = rows.slice(0, PAGE_ROWS);
    const operations = operationsOf(documents, page);
    await operations.catch(() => {});
    // They are removed behind the horizon's move: if it has not moved by now, nothing was missing.
    const { horizon } = await readCounter(db, dialect);
    if (horizon > read) throw behindHorizon(read, horizon);
    yield await operations;
    const next = rows[PAGE_ROWS];
    if (!next) return;
    const end = page.at(-1)!;
    const isWhole = next.sequence !== end.sequence;
    read = isWhole ? end.sequence : end.sequence - 1;
    last = isWhole ? undefined : end;
  }
}

/** A page, and one more: it tells whether the batch at the end of the page is whole. */
async function rowsBehind(db: Db, read: number, last: OperationRow | undefined): Promise<OperationRow[]> {
  const page = db.selectFrom("varve_operations").selectAll().orderBy("sequence").orderBy("ordinal");
  const rows: OperationRow[] = [];
  // The rest of a batch first: no database finds a place within two columns by its index alone.
  if (last) {
    const rest = page.where("sequence", "=", last.sequence).where("ordinal", ">", last.ordinal);
    rows.push(...(await rest.limit(PAGE_ROWS + 1).execute()));
  }
  if (rows.length <= PAGE_ROWS) {
    const behind = page.where("sequence", ">", last?.sequence ?? read);
    rows.push(...(await behind.limit(PAGE_ROWS + 1 - rows.length).execute()));
  }
  return rows;
}

/** With environments and code in their states, which are kept there by their digests. */
async function operationsOf(documents: Documents, rows: readonly OperationRow[]): Promise<OperationRecord[]> {
  const states = rows.map(({ state }) => (state === null ? undefined : (JSON.parse(state) as StoredState)));
  const besides = await documents.besides(
    states.flatMap((state, i) => (state ? [digestsOf(state, rows[i]!)] : [])),
  );
  return rows.map((row, i) => {
    const { sequence, time, kind, name, version, alias } = row;
    const state = states[i];
    return {
      sequence,
      time,
      kind: kind as OperationRecord["kind"],
      name,
      ...(version !== null && { version }),
      ...(alias !== null && { alias }),
      ...(state && { state: { ...state, ...besides(digestsOf(state, row)) } as unknown as JsonObject }),
    };
  });
}

function digestsOf({ code, environment }: StoredState, { name, version }: OperationRow) {
  const bytes = (digest: string) => Buffer.from(digest.slice("sha256:".length), "hex");
  return { name, version: version ?? 0, code: code ? bytes(code) : null, environment: bytes(environment) };
}
