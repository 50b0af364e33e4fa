import type { CallOptions } from "../api.ts";
import { definedOnly } from "../argument.ts";
import { ELSEWHERE_KEY, familyOf, namesRange, versionKey } from "../artifact-key.ts";
import { CallGuard } from "../call-guard.ts";
import { CodecRegistry } from "../codec/codec.ts";
import { OPERATION_BYTES } from "../commit.ts";
import { compactStore } from "../compact.ts";
import type { EngineCore } from "../engine.ts";
import { readOnlyError } from "../errors.ts";
import { isIndexDamage } from "../index/damage.ts";
import { consumersOf } from "../lineage/edges.ts";
import { listMade, listVersions } from "../list.ts";
import type { CoreHandle, OpenOptions } from "../open.ts";
import { openCore } from "../open.ts";
import { noteElsewhere } from "../operations.ts";
import type {
  LineageStep,
  ListQuery,
  MetadataCompactOptions,
  MetadataCompactReport,
  MetadataCounts,
  MetadataStore,
  OperationRecord,
  Unit,
  UnitResult,
  ValueFacts,
  VersionRecord,
} from "../ports/metadata-store.ts";
import { type ParsedRef, parseRef } from "../ref.ts";
import { keptInHome } from "../refusals.ts";
import { storeStats } from "../stats.ts";
import type { Transaction } from "../transaction.ts";
import { Values } from "../values.ts";
import { verifyStore } from "../verify.ts";
import type { RowReader, VersionRow } from "../versions.ts";
import { Versions } from "../versions.ts";
import { operationsBehind } from "./embedded-feed.ts";
import { filterOf } from "./embedded-filter.ts";
import { forgetDeleted, neededValues } from "./embedded-forget.ts";
import { committedUnread, recordFrom } from "./embedded-record.ts";
import { SavePlanner } from "./embedded-save.ts";
import { type AppliedUnit, applyUnit, type TouchedVersion } from "./embedded-unit.ts";

type CoreOptions = Omit<OpenOptions, "application" | "familyOf">;

/** What is undefined counts as not given. */
export type EmbeddedMetadataOptions = { [Name in keyof CoreOptions]?: CoreOptions[Name] | undefined } & {
  /** A commit resolves after the disk has it (default); else after the system has it. */
  durable?: boolean | undefined;
};

/** Opens the metadata in a home, making it when there is none. @throws as `openStore`, and CONFIG for a home that has values in its log */
export async function openEmbeddedMetadata(
  home: string,
  { durable = true, ...options }: EmbeddedMetadataOptions = {},
): Promise<EmbeddedMetadata> {
  const coreOptions = definedOnly(options) as CoreOptions;
  const handle = await openCore(home, { application: "artifact", familyOf, ...coreOptions });
  try {
    checkNoValues(handle.core);
    return new EmbeddedMetadata(handle, { durable, readOnly: options.readOnly ?? false });
  } catch (error) {
    await handle.release();
    throw error;
  }
}

/** @throws CONFIG for a home that has values in its log */
function checkNoValues(core: EngineCore): void {
  if (!core.row(ELSEWHERE_KEY) && core.first(namesRange(""))) throw keptInHome();
}

/** Metadata in the log of a home, in the rows of the embedded store, of versions whose values are elsewhere. */
export class EmbeddedMetadata implements MetadataStore {
  readonly capabilities = { name: "embedded", isRemote: false };
  readonly #handle: CoreHandle;
  readonly #core: EngineCore;
  readonly #calls: CallGuard;
  readonly #versions: Versions;
  readonly #planner: SavePlanner;
  readonly #durable: boolean;
  readonly #readOnly: boolean;

  constructor(handle: CoreHandle, { durable, readOnly }: { durable: boolean; readOnly: boolean }) {
    this.#handle = handle;
    this.#core = handle.core;
    this.#calls = new CallGuard("metadata store", () => this.#core.heal());
    this.#versions = new Versions(this.#core, new Values(this.#core, new CodecRegistry(), this.#calls));
    this.#planner = new SavePlanner(this.#core);
    this.#durable = durable;
    this.#readOnly = readOnly;
  }

  get location(): string {
    return this.#core.folder;
  }

  get storeId(): string {
    return this.#core.identity.storeId;
  }

  /** Whether it is said in the log that values are in another place, so that none are kept here. */
  get isClaimed(): boolean {
    return this.#core.row(ELSEWHERE_KEY) !== undefined;
  }

  /** Says so. @throws CONFIG where there are versions whose values are here */
  claim(): Promise<void> {
    return this.#core.commit({ run: noteElsewhere, bytes: OPERATION_BYTES, durable: true, undoable: true });
  }

  /** Each unit is a batch of its own in the log: those of one call, and of others at that time, go into it together. */
  commit(units: readonly Unit[], options?: CallOptions): Promise<(UnitResult | Error)[]> {
    return this.#change(options, async () => {
      const refused = new Set<unknown>();
      const outcomes = await Promise.allSettled(units.map((unit) => this.#apply(unit, refused)));
      const failed = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
      // What is no refusal of a unit is said of all that were to be written with it.
      const isOfCall = failed.length === units.length && !failed.some((error) => refused.has(error));
      if (failed.length > 0 && isOfCall) throw failed.find(({ outcome }) => outcome) ?? failed[0];
      return Promise.all(outcomes.map((outcome) => this.#told(outcome)));
    });
  }

  #apply(unit: Unit, refused: Set<unknown>): Promise<AppliedUnit> {
    const prepared = unit.operations.map((operation) => this.#planner.prepared(operation));
    const run = (transaction: Transaction) => {
      try {
        return applyUnit(transaction, prepared);
      } catch (error) {
        if (!isIndexDamage(error)) refused.add(error);
        throw error;
      }
    };
    const bytes = prepared.reduce((sum, { bytes }) => sum + bytes, OPERATION_BYTES);
    const reserve = unit.operations.every(({ kind }) => kind === "delete" || kind === "deleteAlias");
    const work = { run, bytes, durable: this.#durable, undoable: true, reserve, time: unit.time };
    return this.#core.commit(work).then((applied) => {
      this.#planner.stored(prepared);
      return applied;
    });
  }

  async #told(outcome: PromiseSettledResult<AppliedUnit>): Promise<UnitResult | Error> {
    if (outcome.status === "rejected") return outcome.reason;
    const { versions, ...rest } = outcome.value;
    try {
      return { ...rest, versions: await Promise.all(versions.map((touched) => this.#written(touched))) };
    } catch (error) {
      return committedUnread(rest.sequence, error);
    }
  }

  /** A version that this process has written, and waited for as long as it wanted. */
  #written({ name, version, row, content, aliasRows }: TouchedVersion): Promise<VersionRecord> {
    const reader = { row: () => undefined, rows: () => aliasRows };
    const aliases = this.#versions.aliases(name, reader);
    return this.#record({ name, version, key: versionKey(name, version), row }, content, aliases);
  }

  find(ref: ParsedRef, options?: CallOptions): Promise<VersionRecord | undefined> {
    return this.#calls.read(options, async () => {
      const found = this.#versions.find(ref);
      return found && this.#read(found);
    });
  }

  at(name: string, version: number, options?: CallOptions): Promise<VersionRecord | undefined> {
    return this.#calls.read(options, async () => {
      const key = versionKey(name, version);
      const row = this.#core.row(key);
      return row && this.#read({ name, version, key, row });
    });
  }

  /** Once a power cut can't take it back. */
  async #read(found: VersionRow, reader: RowReader = this.#core): Promise<VersionRecord> {
    await this.#versions.settle(found);
    const aliases = await this.#versions.settledAliases(found.name, reader);
    return this.#record(found, await this.#versions.contentOf(found), aliases, reader);
  }

  async #record(
    found: VersionRow,
    content: Awaited<ReturnType<Versions["contentOf"]>>,
    aliases: ReadonlyMap<string, number>,
    reader: RowReader = this.#core,
  ): Promise<VersionRecord> {
    const { name, version, row } = found;
    const environment = await this.#versions.environmentOf(content);
    const code = await this.#versions.codeOf(found, content, reader);
    const own = [...aliases].filter(([, target]) => target === version).map(([alias]) => alias);
    return recordFrom({ name, version, row, content, aliases: own, code, environment }, this.#core);
  }

  list(query: ListQuery, options?: CallOptions): AsyncIterable<VersionRecord> {
    const make = async (found: VersionRow, reader: RowReader) => {
      const record = await this.#read(found, reader);
      return query.matches(record) ? record : undefined;
    };
    return this.#calls.iterateAll(options, () =>
      listMade(this.#core, this.#versions, filterOf(query), make, options?.signal),
    );
  }

  versions(name: string, options?: CallOptions): AsyncIterable<VersionRecord> {
    return this.#calls.iterateAll(options, () =>
      listVersions(this.#core, name, (found, reader) => this.#read(found, reader)),
    );
  }

  aliases(name: string, options?: CallOptions): Promise<Record<string, number>> {
    return this.#calls.read(options, async () =>
      Object.fromEntries(await this.#versions.settledAliases(name)),
    );
  }

  lineage(
    direction: "up" | "down",
    of: readonly { name: string; version: number }[],
    options?: CallOptions,
  ): Promise<LineageStep[]> {
    return this.#calls.read(options, async () => {
      const snapshot = this.#core.snapshot();
      try {
        const steps: LineageStep[] = [];
        for (const { name, version } of of) {
          const each = { name, version };
          const found = direction === "down" ? consumersOf(snapshot, each) : undefined;
          if (found) for (const to of found) steps.push({ from: each, to });
          else steps.push(...(await this.#inputsOf(each, snapshot)));
        }
        return steps;
      } finally {
        snapshot.close();
      }
    });
  }

  async #inputsOf({ name, version }: LineageStep["to"], reader: RowReader): Promise<LineageStep[]> {
    const key = versionKey(name, version);
    const row = reader.row(key);
    if (!row) return [];
    const { inputs = [] } = await this.#versions.contentOf({ name, version, key, row });
    const from = inputs.map((input) => parseRef(input) as unknown as LineageStep["from"]);
    return from.map((each) => ({ from: { name: each.name, version: each.version }, to: { name, version } }));
  }

  values(options?: CallOptions): AsyncIterable<ValueFacts & { deleted: boolean }> {
    return this.#calls.iterateAll(options, () => neededValues(this.#core, options?.signal));
  }

  forget(sequence: number, options?: CallOptions): Promise<number> {
    return this.#change(options, () => forgetDeleted(this.#core, sequence, this.#durable, options?.signal));
  }

  /** That of the store in the home. */
  compact(options: MetadataCompactOptions = {}): Promise<MetadataCompactReport> {
    const compact = () => compactStore(this.#core, options, this.#durable);
    return options.dryRun ? this.#calls.read(options, compact) : this.#change(options, compact);
  }

  sequenceAt(time: number, options?: CallOptions): Promise<number> {
    return this.#calls.read(options, () => this.#core.sequenceAt(time, options?.signal));
  }

  operations(after: number, options?: CallOptions): AsyncIterable<OperationRecord> {
    return this.#calls.iterateAll(options, () =>
      operationsBehind(this.#core, this.#versions, after, options?.signal),
    );
  }

  counts(options?: CallOptions): Promise<MetadataCounts> {
    return this.#calls.read(options, async () => {
      const stats = await storeStats(this.#core, options);
      const { names, versions, deletedVersions, aliases, valueBytes, sequence } = stats;
      const bytes = stats.logBytes + stats.indexBytes;
      return { names, versions, deletedVersions, aliases, valueBytes, sequence, bytes };
    });
  }

  check(options?: CallOptions): Promise<string[]> {
    return this.#calls.read(options, async () => {
      const { problems } = await verifyStore(this.#core, options ?? {});
      return problems.map(({ message }) => message);
    });
  }

  /** @throws READ_ONLY */
  #change<T>(options: CallOptions | undefined, action: () => Promise<T>): Promise<T> {
    return this.#calls.run(options, async () => {
      if (this.#readOnly) throw readOnlyError();
      return action();
    });
  }

  close(): Promise<void> {
    return this.#calls.close(() => this.#handle.release());
  }
}
