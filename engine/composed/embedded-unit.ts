import type { Annotation, DeleteOptions } from "../api.ts";
import { aliasesRange, aliasKey, versionKey } from "../artifact-key.ts";
import type { VersionContent } from "../artifact-record.ts";
import { decodeVersionContent, isDeleted } from "../artifact-record.ts";
import { aliasesByVersion, deleteAll, purgeDeleted, undeleteVersion, victimsOf } from "../deletes.ts";
import type { Row } from "../index/rows.ts";
import type { SavePlan } from "../operations.ts";
import { annotateVersion, deleteAlias, moveVersion, saveVersion, setAlias } from "../operations.ts";
import type { MetadataOperation, PendingTarget, Target } from "../ports/metadata-store.ts";
import type { ParsedRef } from "../ref.ts";
import type { Transaction } from "../transaction.ts";

/** An operation, and of a save what was made ready of it outside the lock: all but its inputs. */
export interface PreparedOperation {
  operation: MetadataOperation;
  plan?: Omit<SavePlan, "inputs"> | undefined;
}

/** A version as it is behind a unit, with the rows of its name's aliases. */
export interface TouchedVersion {
  name: string;
  version: number;
  row: Row;
  content: VersionContent;
  aliasRows: { key: Buffer; row: Row }[];
}

export interface AppliedUnit {
  sequence: number;
  versions: TouchedVersion[];
  deleted: string[];
  removedAliases: string[];
}

type Of<Kind extends MetadataOperation["kind"]> = Extract<MetadataOperation, { kind: Kind }>;

/** Applies the operations of a unit in order, under the lock. A throw leaves it to the caller to undo what was done. */
export function applyUnit(transaction: Transaction, prepared: readonly PreparedOperation[]): AppliedUnit {
  return new UnitRun(transaction).run(prepared);
}

class UnitRun {
  readonly #transaction: Transaction;
  /** By the place of their saves. */
  readonly #saved = new Map<number, { name: string; version: number }>();
  readonly #touched: { name: string; version: number }[] = [];
  readonly #deleted: string[] = [];
  readonly #removedAliases: string[] = [];

  constructor(transaction: Transaction) {
    this.#transaction = transaction;
  }

  run(prepared: readonly PreparedOperation[]): AppliedUnit {
    for (const [place, each] of prepared.entries()) this.#apply(each, place);
    return {
      sequence: this.#transaction.newestSequence,
      versions: this.#touched.map(({ name, version }) => this.#state(name, version)),
      deleted: this.#deleted,
      removedAliases: this.#removedAliases,
    };
  }

  #apply({ operation, plan }: PreparedOperation, place: number): void {
    const transaction = this.#transaction;
    switch (operation.kind) {
      case "save":
        this.#save(operation, plan!, place);
        break;
      case "alias":
        setAlias(transaction, operation.name, operation.alias, this.#versionOf(operation.version));
        break;
      case "deleteAlias":
        deleteAlias(transaction, operation.name, operation.alias);
        break;
      case "annotate": {
        const { tags, metadata } = operation;
        const annotation: Annotation = { ...(tags && { tags }), ...(metadata && { metadata }) };
        this.#touched.push(annotateVersion(transaction, this.#ref(operation.target), annotation));
        break;
      }
      case "delete":
        this.#delete(operation);
        break;
      case "undelete":
        this.#touched.push(undeleteVersion(transaction, { ...operation, kind: "version" }));
        break;
      case "move":
        this.#touched.push(moveVersion(transaction, operation));
        break;
    }
  }

  #save(operation: Of<"save">, plan: Omit<SavePlan, "inputs">, place: number): void {
    const inputs = operation.inputs.map((input) => () => this.#ref(input));
    const saved = saveVersion(this.#transaction, { ...plan, inputs });
    this.#saved.set(place, saved);
    this.#touched.push(saved);
  }

  #delete({ target, aliases, unless, purge }: Of<"delete">): void {
    const ref = this.#ref(target);
    if (purge && purgeDeleted(this.#transaction, ref)) return;
    const change = purge ? "purge" : undefined;
    const report = unless
      ? deleteUnchanged(this.#transaction, ref, { aliases }, unless.changedAfter)
      : deleteAll(this.#transaction, ref.name, victimsOf(this.#transaction, ref), { aliases }, change);
    this.#deleted.push(...report.deleted);
    this.#removedAliases.push(...report.aliases);
  }

  #ref(target: Target): ParsedRef {
    if (target.kind !== "pending") return target;
    return { ...this.#saved.get(target.operation)!, kind: "version" };
  }

  #versionOf(version: number | PendingTarget): number {
    return typeof version === "number" ? version : this.#saved.get(version.operation)!.version;
  }

  #state(name: string, version: number): TouchedVersion {
    const key = versionKey(name, version);
    const row = this.#transaction.row(key)!;
    const content = decodeVersionContent(this.#transaction.content(key, row));
    return { name, version, row, content, aliasRows: this.#transaction.rows(aliasesRange(name)) };
  }
}

/** Versions that were changed by operations behind `after` stay, whatever was done to them. */
function deleteUnchanged(transaction: Transaction, ref: ParsedRef, options: DeleteOptions, after: number) {
  const isKnown = ref.kind === "version" && isChanged(transaction, ref.name, ref.version, after);
  const victims = isKnown ? [] : victimsOf(transaction, ref);
  const unchanged = victims.filter(({ version }) => !isChanged(transaction, ref.name, version, after));
  return deleteAll(transaction, ref.name, unchanged, options, "prune");
}

/** Whether a version was written, or an alias put on it, by a later operation. */
function isChanged(transaction: Transaction, name: string, version: number, after: number): boolean {
  const row = transaction.row(versionKey(name, version));
  if (!row) return false;
  if (row.sequence > after) return true;
  const aliases = isDeleted(row) ? [] : (aliasesByVersion(transaction, name).get(version) ?? []);
  return aliases.some((alias) => transaction.row(aliasKey(name, alias))!.sequence > after);
}
