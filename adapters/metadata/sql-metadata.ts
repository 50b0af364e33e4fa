import type {
  CallOptions,
  LineageStep,
  ListQuery,
  Logger,
  MetadataCompactOptions,
  MetadataCompactReport,
  MetadataCounts,
  MetadataStore,
  MetadataStoreCapabilities,
  OperationRecord,
  ParsedRef,
  Unit,
  UnitResult,
  ValueFacts,
  VersionRecord,
} from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";
import { findProblems } from "./check.ts";
import { CommitQueue } from "./commit-queue.ts";
import { compactTables, sequenceAt } from "./compact.ts";
import { Documents } from "./documents.ts";
import { queryBuilderOn } from "./driver.ts";
import { closedError, throwIfAborted, unlessAborted } from "./failure.ts";
import { operationsAfter } from "./feed.ts";
import { Finder } from "./find.ts";
import type { VersionName } from "./keys.ts";
import { listPages } from "./list.ts";
import { countAll, forgetDeleted } from "./maintenance.ts";
import { prepareSchema, type Wanted } from "./migrate.ts";
import { SessionPool } from "./pool.ts";
import { aliasVersions, lineageSteps, liveVersions, neededValues, type Parts } from "./reading.ts";
import type { Db } from "./schema.ts";
import type { SessionLimits, SqlDialect } from "./session.ts";

/** A metadata store in an SQL database. See README.md. */
export class SqlMetadata implements MetadataStore {
  readonly capabilities: MetadataStoreCapabilities;
  readonly location: string;
  readonly storeId: string;
  readonly #db: Db;
  readonly #dialect: SqlDialect;
  readonly #parts: Parts;
  readonly #finder: Finder;
  readonly #commits: CommitQueue;
  readonly #isReadOnly: boolean;
  #running = 0;
  #closing: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  static async open(
    dialect: SqlDialect,
    limits: SessionLimits,
    wanted: Wanted,
    logger: Logger | undefined,
  ): Promise<SqlMetadata> {
    const pool = new SessionPool(dialect, limits);
    const db = queryBuilderOn(pool);
    try {
      const storeId = await prepareSchema(db, dialect, wanted);
      return new SqlMetadata({ db, pool, dialect, limits, storeId, logger, isReadOnly: wanted.readOnly });
    } catch (error) {
      await db.destroy();
      throw error;
    }
  }

  private constructor(parts: {
    db: Db;
    pool: SessionPool;
    dialect: SqlDialect;
    limits: SessionLimits;
    storeId: string;
    logger: Logger | undefined;
    isReadOnly: boolean;
  }) {
    const { db, dialect, limits } = parts;
    this.#db = db;
    this.#dialect = dialect;
    this.#parts = { db, dialect, documents: new Documents(db, dialect) };
    this.#finder = new Finder(this.#parts, parts.pool);
    this.#isReadOnly = parts.isReadOnly;
    this.storeId = parts.storeId;
    this.location = dialect.location;
    this.capabilities = { name: dialect.name, isRemote: dialect.isRemote };
    const { lockWaitMax, statementWaitMax } = limits;
    const waits = { lockWaitMax, doubtMax: statementWaitMax };
    this.#commits = new CommitQueue(this.#parts, waits, parts.logger, (calls) => this.#end(calls));
  }

  /** The queue tells when it has ended: many wait at once, and each promise more of theirs is felt. */
  commit(units: readonly Unit[], options?: CallOptions): Promise<(UnitResult | Error)[]> {
    try {
      this.#checkWritable();
      const committing = this.#commits.submit(units, options);
      this.#running++;
      return committing;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  find(ref: ParsedRef, options?: CallOptions): Promise<VersionRecord | undefined> {
    return this.#read(options, () => this.#finder.find(ref));
  }

  at(name: string, version: number, options?: CallOptions): Promise<VersionRecord | undefined> {
    return this.#read(options, () => this.#finder.at(name, version));
  }

  list(query: ListQuery, options?: CallOptions): AsyncIterable<VersionRecord> {
    return this.#pages(options, () => listPages(this.#parts, query));
  }

  versions(name: string, options?: CallOptions): AsyncIterable<VersionRecord> {
    return this.#pages(options, () => liveVersions(this.#parts, name));
  }

  aliases(name: string, options?: CallOptions): Promise<Record<string, number>> {
    return this.#read(options, () => aliasVersions(this.#db, name));
  }

  lineage(
    direction: "up" | "down",
    of: readonly VersionName[],
    options?: CallOptions,
  ): Promise<LineageStep[]> {
    return this.#read(options, () => lineageSteps(this.#db, direction, of));
  }

  values(options?: CallOptions): AsyncIterable<ValueFacts & { deleted: boolean }> {
    return this.#pages(options, () => neededValues(this.#db));
  }

  forget(sequence: number, options: CallOptions = {}): Promise<number> {
    return this.#write(() => {
      throwIfAborted(options.signal);
      return forgetDeleted(this.#db, this.#dialect, sequence, this.#again);
    });
  }

  compact(options: MetadataCompactOptions = {}): Promise<MetadataCompactReport> {
    const compact = () => compactTables({ ...this.#parts, again: this.#again }, options);
    return options.dryRun ? this.#read(options, compact) : this.#write(compact);
  }

  sequenceAt(time: number, options?: CallOptions): Promise<number> {
    return this.#read(options, () => sequenceAt(this.#parts, time));
  }

  operations(after: number, options?: CallOptions): AsyncIterable<OperationRecord> {
    return this.#pages(options, () => operationsAfter(this.#parts, after));
  }

  counts(options?: CallOptions): Promise<MetadataCounts> {
    return this.#read(options, () => countAll(this.#db, this.#dialect));
  }

  check(options?: CallOptions): Promise<string[]> {
    return this.#read(options, () => findProblems(this.#db, () => throwIfAborted(options?.signal)));
  }

  /** Runs a transaction, and once more where it met another. */
  readonly #again = <T>(work: () => Promise<T>) => this.#commits.again(work);

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await this.#db.destroy();
  }

  #write<T>(work: () => Promise<T>): Promise<T> {
    return this.#call(async () => {
      this.#checkWritable();
      return work();
    });
  }

  #checkWritable(): void {
    if (this.#closing) throw closedError();
    if (!this.#isReadOnly) return;
    throw new VarveError("READ_ONLY", "the store was opened read-only", {
      hint: "open it without readOnly to change it",
    });
  }

  #read<T>(options: CallOptions | undefined, work: () => Promise<T>): Promise<T> {
    // Who aborts does not wait; closing does.
    return unlessAborted(options?.signal, () => this.#call(work));
  }

  async #call<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing) throw closedError();
    this.#running++;
    try {
      return await work();
    } finally {
      this.#end(1);
    }
  }

  #end(calls: number): void {
    this.#running -= calls;
    if (this.#running === 0) this.#onIdle?.();
  }

  /** Items of pages. Between pages nothing is held, and nobody is waited for. */
  async *#pages<T>(options: CallOptions | undefined, start: () => AsyncGenerator<T[]>): AsyncGenerator<T> {
    const pages = start();
    for (;;) {
      const page = await this.#read(options, () => pages.next());
      if (page.done) return;
      for (const item of page.value) {
        yield item;
        throwIfAborted(options?.signal);
      }
    }
  }
}
