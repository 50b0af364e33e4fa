import { setTimeout as sleep } from "node:timers/promises";
import type { Artifact, ArtifactStore } from "../../engine/api.ts";
import { VarveError } from "../../engine/errors.ts";
import type { Random } from "../helpers/random.ts";
import { openOverSeams } from "../helpers/seam-store.ts";
import { PACKS_SOON } from "./packing.ts";
import { filesWithPoints } from "./points-disk.ts";
import { SpaceCalls } from "./space-calls.ts";
import type { Call, Given, Line, Result } from "./space-events.ts";
import type { SpaceTask } from "./space-program.ts";
import { codeKeyOf, keyOf } from "./values.ts";

/** Others may be many, and the machine busy. */
const LOCK_WAIT_MILLISECONDS_MAX = 60_000;
const HELD_MAX = 6;

const now = () => Number(process.hrtime.bigint() / 1000n);

/** What one process does to a home, and how it notes that. */
export class SpaceMember {
  readonly #task: SpaceTask;
  readonly #random: Random;
  readonly #note: (line: Line) => void;
  readonly #calls: SpaceCalls;
  #held: { artifact: Artifact; since: number }[] = [];
  #n = 0;
  #store!: ArtifactStore;

  constructor(task: SpaceTask, random: Random, note: (line: Line) => void) {
    this.#task = task;
    this.#random = random;
    this.#note = note;
    this.#calls = new SpaceCalls(random, task.who, task.backups, task.maxSize !== undefined);
  }

  open(): Promise<void> {
    const { home, readOnly, durability, segmentBytesMax, times, packs, maxSize } = this.#task;
    const warn = (what: string, facts?: Record<string, unknown>) => {
      const message = `${what} ${JSON.stringify(facts ?? {})}`;
      this.#note({ n: this.#n++, at: now(), call: { call: "warned", message } });
    };
    const logger = { debug() {}, info() {}, warn, error: warn };
    const options = {
      files: filesWithPoints,
      segmentBytesMax,
      checkpointBatchesMin: 30,
      lockWaitMax: LOCK_WAIT_MILLISECONDS_MAX,
      minFreeSpace: 0,
      readOnly,
      times,
      ...(packs && { packing: PACKS_SOON }),
      logger,
    };
    return this.#do({ call: "open" }, async () => {
      const cap = maxSize && !readOnly ? { maxSize, segmentBytes: segmentBytesMax, logger } : undefined;
      this.#store = await openOverSeams(home, options, durability, cap);
      return {};
    });
  }

  close(): Promise<void> {
    return this.#do({ call: "close" }, async () => {
      // A closed store reads nothing.
      this.#held = [];
      await this.#store.close();
      return {};
    });
  }

  /** Something for all of them to work on. */
  async begin(): Promise<void> {
    const count = 3 + this.#random.below(10);
    for (let i = 0; i < count; i++) {
      await this.#make(this.#calls.save());
      if (this.#random.below(3) === 0) await this.#make(this.#calls.delete());
    }
  }

  async work(): Promise<void> {
    // What the others made by now.
    await this.#list();
    for (let left = this.#task.calls; left > 0; ) {
      const atOnce = this.#random.below(4) === 0 ? 1 + this.#random.below(4) : 1;
      left -= atOnce;
      await Promise.all(Array.from({ length: atOnce }, () => this.#step()));
      if (this.#random.below(25) === 0) await this.#reopen();
      if (this.#random.below(4) === 0) await sleep(this.#random.below(6));
    }
  }

  async #reopen(): Promise<void> {
    await this.close();
    await this.open();
  }

  async #step(): Promise<void> {
    const chosen = this.#random.below(100);
    if (chosen < 10) await this.#list();
    else if (chosen < 18) await this.#useHeld();
    else if (chosen < 34 || this.#task.readOnly) await this.#make(this.#calls.read());
    else await this.#make(this.#calls.draw());
  }

  async #list(): Promise<void> {
    // Within one turn of the event loop a reader may see a state that is 10 ms old.
    await new Promise((resolve) => setImmediate(resolve));
    await this.#do({ call: "list" }, async () => {
      const given: Given[] = [];
      const slow = this.#random.below(3) === 0;
      const since = now();
      let began: number | undefined;
      for await (const artifact of this.#store.list({ allVersions: true })) {
        began ??= now();
        if (slow && this.#random.below(4) === 0) await sleep(this.#random.below(8));
        given.push(await listed(artifact));
        this.#calls.seen(artifact.name, artifact.version);
        this.#hold(artifact, since);
      }
      return { given, ...(began !== undefined && { began }) };
    });
  }

  async #useHeld(): Promise<void> {
    const held = this.#held[this.#random.below(this.#held.length)];
    if (!held) return;
    const { artifact, since } = held;
    const { name, version } = artifact;
    await this.#do({ call: "held", name, version, since }, async () => {
      const value = await keyOf(await artifact.value());
      return { given: [{ name, version, value }] };
    });
  }

  /** @param since when what it was read from was the newest state, at the earliest */
  #hold(artifact: Artifact, since: number): void {
    if (this.#random.below(4) > 0) return;
    this.#held[this.#random.below(HELD_MAX) % (this.#held.length + 1)] = { artifact, since };
  }

  async #make(call: Call | undefined): Promise<void> {
    if (!call) return;
    if (call.call === "load" || call.call === "loadAlias")
      await new Promise((resolve) => setImmediate(resolve));
    await this.#do(call, () => this.#run(call));
  }

  async #run(call: Call): Promise<Result> {
    if (call.call === "loadAlias") return this.#get(`${call.name}@${call.alias}`);
    if (call.call !== "load") return this.#calls.run(this.#store, call);
    const { name, version } = call;
    const ref = `${name}:${version}`;
    if (this.#random.below(2) === 0) return this.#get(ref);
    return { given: [{ name, version, value: await keyOf(await this.#store.load(ref)) }] };
  }

  /** A version and then its value, between which it may go: then the version was held. */
  async #get(ref: string): Promise<Result> {
    const since = now();
    const artifact = await this.#store.get(ref);
    this.#hold(artifact, since);
    const { name, version } = artifact;
    try {
      return { given: [await givenOf(artifact, await artifact.value())] };
    } catch (error) {
      if ((error as VarveError).code !== "NOT_FOUND") throw error;
      await this.#do({ call: "held", name, version, since }, () => Promise.reject(error));
      return {};
    }
  }

  /** Notes a call before it is made and when it has returned. */
  async #do(call: Call, action: () => Promise<Result>): Promise<void> {
    const n = this.#n++;
    this.#note({ n, at: now(), call });
    try {
      const result = await action();
      this.#note({ n, at: now(), result });
      this.#calls.done(call, result);
    } catch (error) {
      const { code, message, stack } = error as VarveError;
      const isOurs = error instanceof VarveError;
      const told = isOurs && code !== "CORRUPTION" ? message : stack;
      this.#note({ n, at: now(), result: { error: { code: code ?? "no code", message: told ?? message } } });
      if (!isOurs) throw error;
    }
  }
}

async function givenOf(artifact: Artifact, value: unknown): Promise<Given> {
  const { name, version, tags, aliases, code } = artifact;
  const codeKey = codeKeyOf(code?.sources[0]?.text);
  const given: Given = { name, version, id: tags.id!, value: await keyOf(value), aliases };
  return { ...given, ...(codeKey && { code: codeKey }), ...(tags.note && { note: tags.note }) };
}

/** As it comes in a list: what can't be read of it is told with it. */
export async function listed(artifact: Artifact): Promise<Given> {
  try {
    return await givenOf(artifact, await artifact.value());
  } catch (error) {
    const { code, message } = error as VarveError;
    if (code === "UNAVAILABLE") throw error;
    return { ...(await givenOf(artifact, undefined)), value: { wrong: `${code} ${message}` } };
  }
}
