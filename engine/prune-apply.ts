import type { CallOptions } from "./api.ts";
import { parseVersionKey, versionKey, versionsRange } from "./artifact-key.ts";
import type { VersionContent } from "./artifact-record.ts";
import { decodeVersionContent, isDeleted } from "./artifact-record.ts";
import { aliasesByVersion, deleteVersion } from "./deletes.ts";
import type { EngineCore } from "./engine.ts";
import { isCorruption, throwIfAborted } from "./errors.ts";
import { isIndexDamage } from "./index/damage.ts";
import type { EnvironmentRange } from "./index/lmdb.ts";
import type { Row } from "./index/rows.ts";
import type { FoundVersion } from "./operations.ts";
import type { PrunePlan } from "./prune-plan.ts";
import { DELETES_PER_COMMIT } from "./prune-plan.ts";
import type { TakenPolicy } from "./prune-policy.ts";
import { judgeTags } from "./prune-policy.ts";
import type { Transaction } from "./transaction.ts";

/** About what the deletion of one version takes in log and index. */
const DELETION_BYTES = 1024;
/** Rows of a name that are read at a time. */
const PAGE_ROWS = 128;

/** Looking at a row takes this part of deleting one. */
const LOOKS_PER_DELETE = 16;

/** What was found of the name that was dealt with last: it holds as long as nobody else writes. */
interface Kept {
  name: string;
  oldest: number;
  sequence: number;
}

interface Victims {
  name: string;
  /** Candidates of the plan. */
  numbers: number[];
}

/**
 * Deletes what a plan lets go, name by name, the oldest of each first, and in small commits. What was changed since the plan
 * and may not go any more stays, and is given. A kill leaves a part deleted, which may as well have been all.
 */
export class PruneApply {
  /** Candidates of the plan that stay. */
  readonly left = new Set<number>();
  #kept: Kept | undefined;
  readonly #core: EngineCore;
  readonly #policy: TakenPolicy;
  readonly #plan: PrunePlan;

  constructor(core: EngineCore, policy: TakenPolicy, plan: PrunePlan) {
    this.#core = core;
    this.#policy = policy;
    this.#plan = plan;
  }

  async run(durable: boolean, options: CallOptions): Promise<void> {
    const total = this.#plan.victims.length;
    let done = 0;
    for (const part of this.#parts()) {
      throwIfAborted(options.signal);
      const count = part.reduce((sum, { numbers }) => sum + numbers.length, 0);
      done += count;
      const { left, kept } = await this.#core.commit({
        run: (transaction) => this.#delete(transaction, part),
        bytes: count * DELETION_BYTES,
        // The last one is waited for, and with it all before are on the disk.
        durable: durable && done === total,
        undoable: true,
        reserve: true,
      });
      this.#kept = kept;
      for (const number of left) this.left.add(number);
      options.onProgress?.({ phase: "deleting", done, total, unit: "artifacts" });
    }
  }

  /** What one commit does each, by name: counted is also what it has to look at to see that enough stays. */
  *#parts(): Generator<Victims[]> {
    const { candidates } = this.#plan.scan;
    let part: Victims[] = [];
    let count = 0;
    for (const victim of this.#plan.victims.slice().sort().reverse()) {
      const last = part.at(-1);
      const isSameName = last !== undefined && candidates.isSameName(last.numbers[0]!, victim);
      if (isSameName) last.numbers.push(victim);
      else part.push({ name: candidates.name(victim), numbers: [victim] });
      count += isSameName ? 1 : 1 + this.#policy.keepLast / LOOKS_PER_DELETE;
      if (count < DELETES_PER_COMMIT) continue;
      yield part;
      part = [];
      count = 0;
    }
    if (part.length > 0) yield part;
  }

  /** Under the lock. */
  #delete(transaction: Transaction, part: Victims[]): { left: number[]; kept: Kept } {
    const left: number[] = [];
    const before = transaction.newestSequence;
    const known = this.#kept?.sequence === before ? this.#kept : undefined;
    let oldest = 0;
    for (const { name, numbers } of part) {
      oldest = known?.name === name ? known.oldest : this.#oldestKept(transaction, name);
      const aliases = aliasesByVersion(transaction, name);
      for (const number of numbers) {
        const version = this.#plan.scan.candidates.version(number);
        const found = version < oldest && !aliases.has(version) && this.#find(transaction, name, version);
        if (found) deleteVersion(transaction, found, [], "prune");
        else left.push(number);
      }
    }
    return { left, kept: { name: part.at(-1)!.name, oldest, sequence: transaction.newestSequence } };
  }

  /** Of the newest live versions that stay, the oldest: others may have deleted newer ones. */
  #oldestKept(transaction: Transaction, name: string): number {
    const { keepLast } = this.#policy;
    let range: EnvironmentRange = { ...versionsRange(name), limit: PAGE_ROWS };
    for (let live = 0; live < keepLast; ) {
      const page = transaction.rows(range);
      for (const { key, row } of page)
        if (!isDeleted(row) && ++live === keepLast) return parseVersionKey(key).version;
      if (page.length < PAGE_ROWS) return 0;
      range = { ...range, start: page.at(-1)!.key, exclusiveStart: true };
    }
    return Number.POSITIVE_INFINITY;
  }

  /** The version, if it may still go. */
  #find(transaction: Transaction, name: string, version: number): FoundVersion | undefined {
    const key = versionKey(name, version);
    const row = transaction.row(key);
    const content = row && !isDeleted(row) ? contentOf(transaction, key, row) : undefined;
    if (!row || !content) return undefined;
    const { goes, protects } = judgeTags(this.#policy, content.tags);
    const isOld = (content.created ?? row).time < this.#policy.before;
    return isOld && goes && !protects ? { name, version, row, content } : undefined;
  }
}

/** Undefined where it is damaged: nobody knows then what protects it. */
function contentOf(transaction: Transaction, key: Buffer, row: Row): VersionContent | undefined {
  try {
    return decodeVersionContent(transaction.content(key, row));
  } catch (error) {
    if (isIndexDamage(error) || !isCorruption(error)) throw error;
    return undefined;
  }
}
