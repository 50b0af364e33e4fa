import type { VersionName } from "./keys.ts";
import { isNamed, isOneOf, keyParts, nameParts } from "./keys.ts";
import type { AliasRow, Db, NameRow, VersionRow } from "./schema.ts";
import type { SqlDialect } from "./session.ts";

/** What is said of a name's latest live version while deletions are under way: looked up when somebody asks. */
type Latest = number | null | "unknown";

export interface NameState {
  /** The number of the version that was given last; -1 where there is none. */
  /** There was no such name before the transaction. */
  isNew: boolean;
  newest: number;
  latest: Latest;
  versions: Map<number, VersionRow | undefined>;
  /** Absent: none has been looked for. */
  aliases?: Map<string, AliasRow | undefined>;
  /** All that the database has are among `aliases`. */
  hasAllAliases: boolean;
  hasAllVersions: boolean;
}

const VERSIONS_PER_LOOK = 100;

/** Names, versions and aliases that a transaction has read. It runs under the lock of the counter, so that they stay true. */
export class KnownRows {
  readonly #db: Db;
  readonly #dialect: SqlDialect;
  readonly #names = new Map<string, NameState>();

  constructor(db: Db, dialect: SqlDialect) {
    this.#db = db;
    this.#dialect = dialect;
  }

  /** Reads together what will be asked for one by one. */
  async prefetch(names: Iterable<string>, versions: Iterable<VersionName>): Promise<void> {
    for (const part of nameParts(names)) {
      const rows = await this.#db
        .selectFrom("varve_names")
        .selectAll()
        .where(isNamed(this.#dialect, "name", part))
        .execute();
      for (const row of rows) this.#addName(row.name, row);
      for (const name of part) if (!this.#names.has(name)) this.#addName(name, undefined);
    }
    for (const part of keyParts(versions)) {
      const rows = await this.#db
        .selectFrom("varve_versions")
        .selectAll()
        .where(isOneOf("name", "version", part))
        .execute();
      for (const row of rows) (await this.named(row.name)).versions.set(row.version, row);
      for (const { name, version } of part) {
        const { versions: known } = await this.named(name);
        if (!known.has(version)) known.set(version, undefined);
      }
    }
  }

  /** The latest live version. */
  async latest(name: string): Promise<number | undefined> {
    const state = await this.named(name);
    if (state.latest === "unknown") state.latest = (await this.#latestLive(name, state)) ?? null;
    return state.latest ?? undefined;
  }

  async version(name: string, version: number): Promise<VersionRow | undefined> {
    const state = await this.named(name);
    if (state.versions.has(version)) return state.versions.get(version);
    if (state.hasAllVersions || version > state.newest) return undefined;
    const row = await this.#db
      .selectFrom("varve_versions")
      .selectAll()
      .where("name", "=", name)
      .where("version", "=", version)
      .executeTakeFirst();
    state.versions.set(version, row);
    return row;
  }

  /** All live ones, oldest first. */
  async live(name: string): Promise<VersionRow[]> {
    const state = await this.named(name);
    if (!state.hasAllVersions) {
      const rows = await this.#db.selectFrom("varve_versions").selectAll().where("name", "=", name).execute();
      for (const row of rows) if (!state.versions.has(row.version)) state.versions.set(row.version, row);
      state.hasAllVersions = true;
    }
    const live = [...state.versions.values()].filter((row) => row !== undefined && row.deleted === null);
    return (live as VersionRow[]).sort((a, b) => a.version - b.version);
  }

  /** All of a name. */
  async aliases(name: string): Promise<AliasRow[]> {
    const state = await this.named(name);
    if (!state.hasAllAliases) {
      const rows = await this.#db.selectFrom("varve_aliases").selectAll().where("name", "=", name).execute();
      const known = aliasesIn(state);
      for (const row of rows) if (!known.has(row.alias)) known.set(row.alias, row);
      state.hasAllAliases = true;
    }
    return [...aliasesIn(state).values()].filter((row) => row !== undefined);
  }

  async alias(name: string, alias: string): Promise<AliasRow | undefined> {
    const state = await this.named(name);
    if (state.aliases?.has(alias) || state.hasAllAliases) return state.aliases?.get(alias);
    const row = await this.#db
      .selectFrom("varve_aliases")
      .selectAll()
      .where("name", "=", name)
      .where("alias", "=", alias)
      .executeTakeFirst();
    aliasesIn(state).set(alias, row);
    return row;
  }

  /** What was read of a name before. */
  known(name: string): NameState | undefined {
    return this.#names.get(name);
  }

  async named(name: string): Promise<NameState> {
    const known = this.#names.get(name);
    if (known) return known;
    const row = await this.#db
      .selectFrom("varve_names")
      .selectAll()
      .where("name", "=", name)
      .executeTakeFirst();
    return this.#addName(name, row);
  }

  #addName(name: string, row: NameRow | undefined): NameState {
    const known = this.#names.get(name);
    if (known) return known;
    const isNew = row === undefined;
    const state: NameState = {
      isNew,
      newest: row?.newest ?? -1,
      latest: row?.latest ?? null,
      versions: new Map(),
      hasAllAliases: isNew,
      hasAllVersions: isNew,
    };
    this.#names.set(name, state);
    return state;
  }

  async #latestLive(name: string, state: NameState): Promise<number | undefined> {
    let latest = -1;
    for (const row of state.versions.values())
      if (row?.deleted === null) latest = Math.max(latest, row.version);
    for (let below = state.newest + 1; !state.hasAllVersions; ) {
      const rows = await this.#db
        .selectFrom("varve_versions")
        .select("version")
        .where("name", "=", name)
        .where("version", "<", below)
        .where("version", ">", latest)
        .where("deleted", "is", null)
        .orderBy("version", "desc")
        .limit(VERSIONS_PER_LOOK)
        .execute();
      // Those that were changed here are reckoned in above.
      const found = rows.find(({ version }) => !state.versions.has(version));
      if (found) return found.version;
      if (rows.length < VERSIONS_PER_LOOK) break;
      below = rows.at(-1)!.version;
    }
    return latest < 0 ? undefined : latest;
  }
}

/** Those that were looked for, to be added to. */
export function aliasesIn(state: NameState): Map<string, AliasRow | undefined> {
  state.aliases ??= new Map();
  return state.aliases;
}
