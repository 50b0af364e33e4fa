import type { JsonObject, OperationRecord } from "../../engine/main.ts";
import { behindHorizon } from "../../engine/main.ts";
import type { Documents } from "./documents.ts";
import { readCounter } from "./migrate.ts";
import { PAGE_ROWS, type Parts } from "./reading.ts";
import type { StoredState } from "./rows.ts";
import type { OperationRow } from "./schema.ts";

/** The operations as they are kept, in pages. */

/** @throws NOT_FOUND once one that was to come is forgotten */
export async function* operationsAfter(
  { db, dialect, documents }: Parts,
  after: number,
): AsyncGenerator<OperationRecord[]> {
  let last: OperationRow | undefined;
  for (;;) {
    const page = db.selectFrom("varve_operations").selectAll().orderBy("sequence").orderBy("ordinal");
    const rows: OperationRow[] = [];
    // The rest of a batch first: no database finds a place within two columns by its index alone.
    if (last) {
      const rest = page.where("sequence", "=", last.sequence).where("ordinal", ">", last.ordinal);
      rows.push(...(await rest.limit(PAGE_ROWS).execute()));
    }
    if (rows.length < PAGE_ROWS) {
      const behind = page.where("sequence", ">", last?.sequence ?? after);
      rows.push(...(await behind.limit(PAGE_ROWS - rows.length).execute()));
    }
    const operations = operationsOf(documents, rows);
    // They are removed behind the horizon's move: if it has not moved by now, nothing was missing.
    const [{ horizon }] = await Promise.all([readCounter(db, dialect), operations.catch(() => {})]);
    const read = last ? last.sequence - 1 : after;
    if (horizon > read) throw behindHorizon(read, horizon);
    yield await operations;
    if (rows.length < PAGE_ROWS) return;
    last = rows.at(-1)!;
  }
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
