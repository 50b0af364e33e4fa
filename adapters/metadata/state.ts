import type { OperationRecord } from "../../engine/main.ts";
import { aliasesIn, KnownRows, type NameState } from "./known-rows.ts";
import type { AliasRow, Db, NameRow, OperationRow, VersionRow } from "./schema.ts";
import type { SqlDialect } from "./session.ts";

/** Rows as they are to be written, at once: the next unit may change them. */
export interface Changes {
  versions: VersionRow[];
  changedVersions: VersionRow[];
  addedNames: NameRow[];
  changedNames: NameRow[];
  /** Versions whose tags are others now. */
  retagged: VersionRow[];
  /** Without a row: it goes. */
  aliases: { name: string; alias: string; row: AliasRow | undefined }[];
  operations: OperationRow[];
}

/** What a transaction knows, and has changed in memory, of names, versions and aliases. What a unit did can be taken back. */
export class State extends KnownRows {
  readonly #token: Uint8Array;
  readonly #undo: (() => void)[] = [];
  /** As they were when the unit began. */
  #operationsBefore = 0;
  #timeBefore = 0;
  #ordinal = 0;
  readonly operations: OperationRow[] = [];
  readonly newVersions = new Set<VersionRow>();
  readonly changedVersions = new Map<string, VersionRow>();
  readonly changedNames = new Set<string>();
  readonly changedAliases = new Map<string, Changes["aliases"][number]>();
  /** Versions whose tags are others now. */
  readonly retagged = new Map<string, VersionRow>();
  /** The newest operation. */
  sequence: number;
  time: number;

  /** @param token of the transaction: its operations have it */
  constructor(db: Db, dialect: SqlDialect, counter: { sequence: number; time: number }, token: Uint8Array) {
    super(db, dialect);
    this.#token = token;
    this.sequence = counter.sequence;
    this.time = counter.time;
  }

  /** Sorted. A version that this transaction saved has only those that it was given here. */
  async aliasesOf(row: VersionRow): Promise<string[]> {
    return this.aliasesOfNew(row) ?? namesOf(await this.aliases(row.name), row);
  }

  aliasesOfNew(row: VersionRow): string[] | undefined {
    const state = this.newVersions.has(row) ? this.known(row.name) : undefined;
    if (!state) return undefined;
    return state.aliases ? namesOf(state.aliases.values(), row) : [];
  }

  addVersion(state: NameState, row: VersionRow): void {
    const { newest, latest } = state;
    state.versions.set(row.version, row);
    state.newest = row.version;
    state.latest = row.version;
    this.newVersions.add(row);
    this.changedNames.add(row.name);
    this.#undo.push(() => {
      state.versions.delete(row.version);
      state.newest = newest;
      state.latest = latest;
      this.newVersions.delete(row);
    });
  }

  /** The row itself is changed: whoever has it sees it. */
  async changeVersion(row: VersionRow, change: Partial<VersionRow>): Promise<void> {
    const state = await this.named(row.name);
    const before = { ...row };
    const { latest } = state;
    Object.assign(row, change);
    if (row.deleted !== before.deleted) this.#livesOtherwise(state, row);
    if (!this.newVersions.has(row)) {
      this.changedVersions.set(`${row.name}:${row.version}`, row);
      if (row.tags !== before.tags) this.retagged.set(`${row.name}:${row.version}`, row);
    }
    this.#undo.push(() => {
      Object.assign(row, before);
      state.latest = latest;
    });
  }

  #livesOtherwise(state: NameState, row: VersionRow): void {
    this.changedNames.add(row.name);
    if (row.deleted !== null) {
      if (state.latest === row.version) state.latest = "unknown";
    } else if (state.latest !== "unknown" && row.version > (state.latest ?? -1)) state.latest = row.version;
  }

  /** @param row undefined: it goes */
  async setAlias(name: string, alias: string, row: AliasRow | undefined): Promise<void> {
    const state = await this.named(name);
    const aliases = aliasesIn(state);
    const isKnown = aliases.has(alias);
    const before = aliases.get(alias);
    const { hasAllAliases } = state;
    const key = `${name}@${alias}`;
    const changed = this.changedAliases.get(key);
    aliases.set(alias, row);
    this.changedAliases.set(key, { name, alias, row });
    this.#undo.push(() => {
      if (isKnown) aliases.set(alias, before);
      else aliases.delete(alias);
      // What the database has of it was passed over since, and is to be read.
      state.hasAllAliases = hasAllAliases;
      if (changed) this.changedAliases.set(key, changed);
      else this.changedAliases.delete(key);
    });
  }

  /** The sequence number of the unit that is under way. */
  get unitSequence(): number {
    return this.sequence + 1;
  }

  log(operation: Pick<OperationRecord, "kind" | "name" | "version" | "alias">, state?: string): void {
    const { kind, name, version = null, alias = null } = operation;
    this.operations.push({
      sequence: this.unitSequence,
      ordinal: this.#ordinal++,
      time: this.time,
      kind,
      name,
      version,
      alias,
      state: state ?? null,
      token: this.#token,
    });
  }

  /** What is done from here on is one unit. */
  beginUnit(time: number): void {
    this.#undo.length = 0;
    this.#ordinal = 0;
    this.#operationsBefore = this.operations.length;
    this.#timeBefore = this.time;
    this.time = Math.max(this.time, time);
  }

  /** Whether it has changed anything. */
  endUnit(): boolean {
    const hasChanged = this.operations.at(-1)?.sequence === this.unitSequence;
    if (hasChanged) this.sequence++;
    else this.undoUnit();
    return hasChanged;
  }

  /** As if it had not begun. */
  undoUnit(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo();
    this.operations.length = this.#operationsBefore;
    this.time = this.#timeBefore;
  }

  /** What the units since the last call have changed. Between units only. */
  async takeChanges(): Promise<Changes> {
    const changes = {
      versions: [...this.newVersions],
      changedVersions: [...this.changedVersions.values()],
      ...(await this.#nameRows()),
      retagged: [...this.retagged.values()],
      aliases: [...this.changedAliases.values()],
      operations: this.operations.splice(0),
    };
    this.newVersions.clear();
    this.changedVersions.clear();
    this.changedNames.clear();
    this.retagged.clear();
    this.changedAliases.clear();
    return changes;
  }

  /** Rows of names as they are to be. Those that are new are there from now on. */
  async #nameRows(): Promise<Pick<Changes, "addedNames" | "changedNames">> {
    const rows: Pick<Changes, "addedNames" | "changedNames"> = { addedNames: [], changedNames: [] };
    for (const name of this.changedNames) {
      const state = this.known(name) ?? (await this.named(name));
      const { newest, isNew } = state;
      const latest = state.latest === "unknown" ? ((await this.latest(name)) ?? null) : state.latest;
      if (newest < 0) continue;
      rows[isNew ? "addedNames" : "changedNames"].push({ name, newest, latest });
      state.isNew = false;
    }
    return rows;
  }
}

function namesOf(aliases: Iterable<AliasRow | undefined>, { version }: VersionRow): string[] {
  const names: string[] = [];
  for (const alias of aliases) if (alias?.version === version) names.push(alias.alias);
  return names.sort();
}
