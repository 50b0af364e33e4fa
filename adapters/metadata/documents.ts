import { createHash } from "node:crypto";
import type { Code, Environment } from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";
import { insertIfAbsent } from "./insert.ts";
import type { Shared } from "./rows.ts";
import type { Db, VersionRow } from "./schema.ts";
import type { SqlDialect } from "./session.ts";

/** Environments and code: what many versions share. Each is kept once, never changes, and goes when no version names it. */

interface Document {
  key: string;
  digest: Buffer;
  text: string;
}

/** Characters of texts whose values are kept in memory, and digests known to be in the database. */
const CACHED_CHARACTERS_MAX = 4 * 1024 * 1024;
const STORED_MAX = 10_000;
const DIGESTS_PER_QUERY = 64;

export class Documents {
  readonly #db: Db;
  readonly #dialect: SqlDialect;
  readonly #made = new WeakMap<object, Document>();
  readonly #stored = new Set<string>();
  /** What the counter said of removals when `#stored` was true. */
  #removals: number | undefined;
  readonly #values = new Map<string, { value: object; characters: number }>();
  /** Of `#values`. */
  #last: string | undefined;
  #characters = 0;

  constructor(db: Db, dialect: SqlDialect) {
    this.#db = db;
    this.#dialect = dialect;
  }

  /** The digest that a version refers to it by. It may not be in the database yet: see `ensure`. */
  digestOf(value: object): Buffer {
    return this.#of(value).digest;
  }

  /** Puts what is new into the database: by itself, in front of the transaction that needs it, so as to keep nobody waiting. */
  async ensure(values: Iterable<object>): Promise<void> {
    const missing = new Map<string, Document>();
    for (const value of values) {
      const document = this.#of(value);
      if (!this.#stored.has(document.key)) missing.set(document.key, document);
    }
    if (missing.size === 0) return;
    await this.#insert(this.#db, missing.values());
    if (this.#stored.size > STORED_MAX) this.#stored.clear();
    for (const key of missing.keys()) this.#stored.add(key);
  }

  /**
   * Under the lock: some of them may have been removed since they were put, or since they were known to be there. Then they are
   * put again, in the transaction.
   * @param removals as the counter tells
   */
  async ensureStill(values: Iterable<object>, removals: number, transaction: Db): Promise<void> {
    if (removals === this.#removals) return;
    this.#stored.clear();
    this.#removals = removals;
    const all = new Map(Array.from(values, (value) => [this.#of(value).key, this.#of(value)]));
    await this.#insert(transaction, all.values());
  }

  async #insert(db: Db, documents: Iterable<Document>): Promise<void> {
    // In one order everywhere, so that two do not wait for each other.
    const rows = [...documents].sort((a, b) => (a.key < b.key ? -1 : 1));
    const toRow = ({ digest, text }: Document) => ({ digest, content: text });
    await insertIfAbsent(db, this.#dialect, "varve_documents", rows.map(toRow));
  }

  async #fetch(rows: readonly Pick<VersionRow, "code" | "environment">[], db: Db): Promise<Fetched> {
    const wanted = new Map<string, Uint8Array>();
    const fetched: Fetched = new Map();
    for (const { code, environment } of rows) {
      for (const digest of [code, environment]) {
        if (!digest) continue;
        const key = keyOf(digest);
        const known = fetched.get(key) ?? this.#cached(key);
        if (known) fetched.set(key, known);
        else wanted.set(key, digest);
      }
    }
    const digests = [...wanted.values()];
    for (let i = 0; i < digests.length; i += DIGESTS_PER_QUERY)
      await this.#read(db, digests.slice(i, i + DIGESTS_PER_QUERY), fetched);
    return fetched;
  }

  /**
   * What belongs to each of the rows. @throws CORRUPTION where it is gone
   * @param db where to look: a transaction that is under way, or any connection
   */
  async besides(rows: readonly Referring[], db = this.#db): Promise<(row: Referring) => Shared> {
    const fetched = await this.#fetch(rows, db);
    return (row) => {
      const environment = found(row, row.environment, fetched) as Environment;
      return row.code ? { environment, code: found(row, row.code, fetched) as Code } : { environment };
    };
  }

  /** As `besides` of one row, where nothing of it has to be read. */
  besideNow({ code, environment }: Referring): Shared | undefined {
    const foundEnvironment = this.#cached(keyOf(environment));
    if (!foundEnvironment) return undefined;
    if (!code) return { environment: foundEnvironment as Environment };
    const foundCode = this.#cached(keyOf(code));
    return foundCode && { environment: foundEnvironment as Environment, code: foundCode as Code };
  }

  async #read(db: Db, digests: Uint8Array[], fetched: Fetched): Promise<void> {
    const rows = await db
      .selectFrom("varve_documents")
      .select(["digest", "content"])
      .where("digest", "in", digests)
      .execute();
    for (const { digest, content } of rows) {
      const value = frozen(JSON.parse(content));
      fetched.set(keyOf(digest), value);
      this.#keep(keyOf(digest), value, content.length);
    }
  }

  #of(value: object): Document {
    const known = this.#made.get(value);
    if (known) return known;
    const text = JSON.stringify(value);
    const digest = createHash("sha256").update(text).digest();
    const document = { key: keyOf(digest), digest, text };
    // What can still be changed may be another one next time.
    const isFrozen = Object.isFrozen(value);
    if (isFrozen) this.#made.set(value, document);
    if (!this.#cached(document.key))
      this.#keep(document.key, isFrozen ? value : frozen(JSON.parse(text)), text.length);
    return document;
  }

  #cached(key: string): object | undefined {
    const found = this.#values.get(key);
    if (!found) return undefined;
    // The one used last goes last. Many versions name the same one after another.
    if (key !== this.#last) {
      this.#values.delete(key);
      this.#values.set(key, found);
      this.#last = key;
    }
    return found.value;
  }

  #keep(key: string, value: object, characters: number): void {
    if (characters > CACHED_CHARACTERS_MAX / 4 || this.#values.has(key)) return;
    this.#values.set(key, { value, characters });
    this.#last = key;
    this.#characters += characters;
    for (const [oldest, entry] of this.#values) {
      if (this.#characters <= CACHED_CHARACTERS_MAX) return;
      this.#values.delete(oldest);
      this.#characters -= entry.characters;
    }
  }
}

/** What refers to documents. */
export type Referring = Pick<VersionRow, "code" | "environment" | "name" | "version">;

type Fetched = Map<string, object>;

function found(row: { name: string; version: number }, digest: Uint8Array, fetched: Fetched): object {
  const value = fetched.get(keyOf(digest));
  if (value) return value;
  throw new VarveError("CORRUPTION", `the code or environment of ${row.name}:${row.version} is gone`, {
    hint: "put the metadata database back from a backup",
    details: { ref: `${row.name}:${row.version}`, digest: keyOf(digest) },
  });
}

function keyOf(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.length).toString("latin1");
}

/** All who read it share it. */
function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const each of Object.values(value)) frozen(each);
    Object.freeze(value);
  }
  return value;
}
