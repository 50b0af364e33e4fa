import { throwIfAborted } from "./failure.ts";
import { partsOf } from "./keys.ts";
import { readCounter, setCounter, underLock } from "./migrate.ts";
import { sql } from "./query-builder.ts";
import type { WritingParts } from "./reading.ts";
import type { CounterRow, Db } from "./schema.ts";

/**
 * Environments and code that no version names any more. Savers put them in front of their transactions, and remember those
 * that are there: so each removal is counted, and a transaction that sees another count than before puts them again.
 */

/** That are found at once: more go with the next compaction. */
const FOUND_MAX = 10_000;
const REMOVED_PER_TRANSACTION = 256;

export async function removeUnnamed(parts: WritingParts, signal: AbortSignal | undefined): Promise<void> {
  const { db, dialect, again } = parts;
  let { sequence } = await readCounter(db, dialect);
  const named = new Set<string>();
  for (const part of partsOf(await unnamed(db), REMOVED_PER_TRANSACTION)) {
    throwIfAborted(signal);
    const remove = async (transaction: Db, counter: CounterRow) => {
      // What was saved since they were looked for can't be told any more.
      if (counter.horizon > sequence) return undefined;
      for (const digest of await namedSince(transaction, sequence)) named.add(keyOf(digest));
      const gone = part.filter((digest) => !named.has(keyOf(digest)));
      if (gone.length > 0) {
        await transaction.deleteFrom("varve_documents").where("digest", "in", gone).execute();
        await setCounter(transaction, { removals: counter.removals + 1 });
      }
      return counter.sequence;
    };
    const looked = await again(() => underLock(db, dialect, remove));
    if (looked === undefined) return;
    sequence = looked;
  }
}

async function unnamed(db: Db): Promise<Uint8Array[]> {
  // One pass over each table, in every database: there is no index by what versions name.
  const { rows } = await sql<{ digest: Uint8Array }>`select d.digest from varve_documents d
    left join (
      select environment as digest from varve_versions
      union select code as digest from varve_versions where code is not null
    ) named on named.digest = d.digest
    where named.digest is null limit ${sql.lit(FOUND_MAX)}`.execute(db);
  return rows.map(({ digest }) => digest);
}

/** By versions that were saved behind an operation. */
async function namedSince(db: Db, sequence: number): Promise<Uint8Array[]> {
  const rows = await db
    .selectFrom("varve_operations as o")
    .innerJoin("varve_versions as v", (join) =>
      join.onRef("v.name", "=", "o.name").onRef("v.version", "=", "o.version"),
    )
    .select(["v.environment", "v.code"])
    .where("o.sequence", ">", sequence)
    .where("o.kind", "=", "save")
    .execute();
  return rows.flatMap(({ environment, code }) => (code ? [environment, code] : [environment]));
}

function keyOf(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.length).toString("latin1");
}
