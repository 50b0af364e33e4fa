import { nodeKey } from "../artifact-key.ts";
import { OPERATION_BYTES } from "../commit.ts";
import type { EngineCore } from "../engine.ts";
import { DIGEST_BYTES } from "../log/format.ts";
import type { Transaction } from "../transaction.ts";
import { CHECKED_BLOB_BYTES_MAX } from "../transaction.ts";
import type { Part, PreparedPart } from "./part.ts";
import { preparePart, putPart, REFERENCES_PER_ROW, stateOf } from "./part.ts";
import { goneMeanwhile, Pins } from "./pins.ts";

/** What is written by one commit, no more than a segment: enough to make a sync cheap, few enough that others need not wait for long. */
const GROUP_BYTES_MAX = 8 * 1024 * 1024;
const GROUP_PARTS_MAX = 4_000;
/** Filled so far, a group ends behind the next node: what that names needs no pin, and is counted once. */
const ENOUGH = 0.5;
/**
 * Groups under way: while some are put on the disk, the next ones are written. They are not in memory any more then, but
 * whoever else waits for the disk waits for them too.
 */
const GROUPS_MAX = 5;

export interface WriterSettings {
  durable: boolean;
  /** Before so many bytes are written: what to wait for, if there has to be made room first. */
  room(bytes: number): Promise<void> | undefined;
  /** Whether what the store has already is pinned from the start: for who can't begin again when it goes meanwhile. */
  pinsAtOnce: boolean;
}

/**
 * Writes the parts of a value that is too large for one batch, group by group, while the rest of it is still read. Until a
 * version needs them pins do. Memory holds a few groups at most. As long as the store has all parts already nothing is
 * written at all: saving the same again costs a version.
 */
export class PinnedWriter {
  readonly #core: EngineCore;
  readonly #settings: WriterSettings;
  readonly #pins: Pins;
  readonly #groupBytesMax: number;
  /** What the store has, from the first part on, as long as nothing else was met. */
  #met: Met | undefined;
  #group: PreparedPart[] = [];
  #groupBytes = 0;
  /** What the store has, and is to be pinned with the group. */
  #held = noneMet();
  readonly #running = new Set<Promise<void>>();
  #failure: { error: unknown } | undefined;

  constructor(core: EngineCore, settings: WriterSettings) {
    this.#core = core;
    this.#settings = settings;
    this.#pins = new Pins(core);
    this.#groupBytesMax = Math.min(GROUP_BYTES_MAX, core.settings.segmentBytesMax);
    this.#met = settings.pinsAtOnce ? undefined : noneMet();
  }

  /**
   * Resolves when there is room for more; a promise only where that is waited for. A part that another one names is to be
   * added before it.
   */
  add(part: Part): Promise<void> | undefined {
    // Taken before anything is waited for.
    const prepared = preparePart(this.#core, part);
    if (this.#met || part.bytes.length > CHECKED_BLOB_BYTES_MAX) return this.#addUnlessStored(prepared);
    return this.#push(prepared);
  }

  async #addUnlessStored(part: PreparedPart): Promise<void> {
    const state = await stateOf(this.#core, part);
    if (this.#met && state === "stored") {
      note(this.#met, part.digest, part.references !== undefined);
      part.release?.();
      return;
    }
    await this.#pinMet();
    await this.#push(state === "damaged" ? { ...part, isDamaged: true } : part);
  }

  #push(part: PreparedPart): Promise<void> | undefined {
    this.#group.push(part);
    this.#groupBytes += part.bytes.length;
    const full = Math.max(this.#groupBytes / this.#groupBytesMax, this.#group.length / GROUP_PARTS_MAX);
    // A row of pins is no reason to write less at a time than could be.
    const endsHere = part.references && this.#group.length > REFERENCES_PER_ROW;
    return full >= (endsHere ? ENOUGH : 1) ? this.#flushWithRoom() : undefined;
  }

  async #flushWithRoom(): Promise<void> {
    await this.#room();
    this.#flush();
  }

  /** Whether the store has a part, which then stays. @param isNode it names others */
  hold(digest: Buffer, isNode: boolean): boolean {
    const { catalog } = this.#core;
    if (!catalog.blob(digest) || (isNode && !catalog.has(nodeKey(digest)))) return false;
    note(this.#met ?? this.#held, digest, isNode);
    return true;
  }

  /**
   * As `hold`, of all that is below a node too: as long as that is there, so are they, unless something of the log is lost.
   * That is for who asks for each by itself.
   */
  holdAll(digest: Buffer, isNode: boolean): boolean {
    return !this.#core.catalog.gaps.all() && this.hold(digest, isNode);
  }

  /**
   * Writes the rest together with what `run` does, under the lock: it puts the version that needs the last part.
   * @param bytesOfRun about what that writes
   */
  async finish<T>(run: (transaction: Transaction) => T, bytesOfRun: number): Promise<T> {
    await Promise.all(this.#running);
    this.#throwIfFailed();
    const rest = this.#group;
    const held = this.#held;
    const bytes = this.#bytesOf(rest) + bytesOfRun;
    const nodes = this.#met?.nodes ?? [];
    const room = this.#settings.room(bytes);
    // What was met and nothing pins could go while room is made, so then it is made behind this.
    if (!this.#met?.digests.length) await room;
    const result = await this.#core.commit({
      run: (transaction) => {
        this.#pins.check(transaction);
        checkMet(transaction, held);
        // As long as a node is there, so is all below.
        checkNodes(transaction, nodes);
        for (const each of rest) putPart(transaction, each);
        return run(transaction);
      },
      bytes,
      durable: this.#settings.durable,
      undoable: true,
    });
    await this.#unpin();
    return result;
  }

  /** Nothing of it is needed. */
  async abandon(): Promise<void> {
    this.#group = [];
    await Promise.allSettled(this.#running);
    await this.#unpin();
  }

  /** Something new was met: from now on all is pinned, what was met before too. */
  async #pinMet(): Promise<void> {
    const met = this.#met;
    this.#met = undefined;
    if (!met || met.digests.length === 0) return;
    const pins = this.#pins.of(met.digests);
    await this.#core.commit({
      run: (transaction) => {
        checkMet(transaction, met);
        this.#pins.put(transaction, pins);
      },
      bytes: met.digests.length * DIGEST_BYTES + OPERATION_BYTES,
      durable: false,
      undoable: true,
    });
  }

  async #room(): Promise<void> {
    await this.#settings.room(this.#groupBytes);
    while (this.#running.size >= GROUPS_MAX) await Promise.race(this.#running);
    this.#throwIfFailed();
  }

  #throwIfFailed(): void {
    if (this.#failure) throw this.#failure.error;
  }

  #flush(): void {
    const group = this.#group;
    const held = this.#held;
    const bytes = this.#bytesOf(group);
    this.#group = [];
    this.#groupBytes = 0;
    this.#held = noneMet();
    const pins = this.#pins.of(notNamed(group, held));
    const running = this.#core
      .commit({
        run: (transaction) => {
          this.#pins.checkFirst(transaction);
          checkMet(transaction, held);
          for (const each of group) putPart(transaction, each);
          this.#pins.put(transaction, pins);
        },
        bytes,
        // So that the disk is busy all the time, and gets what is written soon.
        durable: this.#settings.durable,
        overlaps: true,
        written: () => {
          for (const each of group) each.release?.();
        },
        undoable: true,
      })
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  #bytesOf(group: readonly PreparedPart[]): number {
    return this.#groupBytes + (group.length + 1) * OPERATION_BYTES + this.#held.digests.length * DIGEST_BYTES;
  }

  async #unpin(): Promise<void> {
    if (this.#pins.isEmpty) return;
    // What is left of them is removed by who compacts once this store is closed.
    await this.#pins.remove().catch(() => {});
  }
}

/** What nodes of the group name is kept by them: to count it once more, and once less later, is most of the work of small files. */
function notNamed(group: readonly PreparedPart[], held: Met): Buffer[] {
  // By identity: to pin one that is named by a copy of its digest costs little, and a text for each a lot.
  const named = new Set<Buffer>();
  for (const { references } of group) for (const reference of references ?? []) named.add(reference);
  const digests = [...group.map(({ digest }) => digest), ...held.digests];
  return named.size === 0 ? digests : digests.filter((digest) => !named.has(digest));
}

/** What the store has already of a value. */
interface Met {
  digests: Buffer[];
  /** Those of them that name others. */
  nodes: Buffer[];
}

const noneMet = (): Met => ({ digests: [], nodes: [] });

function note(met: Met, digest: Buffer, isNode: boolean): void {
  met.digests.push(digest);
  if (isNode) met.nodes.push(digest);
}

/** Under the lock. @throws as `goneMeanwhile` */
function checkMet(transaction: Transaction, { digests, nodes }: Met): void {
  if (!digests.every((digest) => transaction.blobRow(digest))) throw goneMeanwhile();
  checkNodes(transaction, nodes);
}

/** A list may outlive its node for a while, and would keep nothing. */
function checkNodes(transaction: Transaction, nodes: readonly Buffer[]): void {
  if (!nodes.every((digest) => transaction.row(nodeKey(digest)))) throw goneMeanwhile();
}
