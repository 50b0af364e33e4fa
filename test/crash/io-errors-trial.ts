import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { ArtifactStore } from "../../engine/api.ts";
import { VarveError } from "../../engine/errors.ts";
import { openFilesUnder } from "../helpers/folders.ts";
import { within } from "../helpers/time.ts";
import { FAILING, LEAVES_DOUBT } from "./io-errors-failing.ts";
import type { LogFiles, Operation, Subject } from "./io-errors-operations.ts";
import { baseChanges, damageLog, repair } from "./io-errors-operations.ts";
import { diskOf, observe } from "./power-cut-check.ts";
import { Model, StateNode } from "./power-cut-history.ts";
import { openOver } from "./power-cut-store.ts";
import { besideFolder, withBeside } from "./simulated-beside.ts";
import type { SeamCall } from "./simulated-calls.ts";
import { SimulatedDisk } from "./simulated-disk.ts";

/** One operation in which one call to the disk fails, and those after it too if the fault is for good. */
export interface Trial {
  operation: Operation;
  code: string;
  /** Which of the calls that can fail so, from 1. */
  nth: number;
  forGood: boolean;
  /** An append fails after half of its bytes, a publish after its first half. */
  half: boolean;
  /** What the operation gives without a fault, as JSON: then it gives this or an error, never less. */
  expected?: string | undefined;
}

const HANG_MILLISECONDS = 20_000;

let homes = 0;

export class TrialRun {
  readonly problems: string[] = [];
  /** The calls to the disk that the operation made while it was watched, by kind. */
  readonly calls: SeamCall[] = [];
  /** What the operation gave, as JSON. */
  result: string | undefined;
  readonly #trial: Trial;
  readonly #disk: SimulatedDisk;
  readonly #subject: Subject;
  readonly #before: StateNode;
  #possible: StateNode[];
  #failed: SeamCall | undefined;
  #error: VarveError | undefined;
  #isDamaged: boolean;

  constructor(trial: Trial, folder: string, base: LogFiles) {
    this.#trial = trial;
    const { operation } = trial;
    const home = join(folder, `home-${homes++}`);
    mkdirSync(home);
    this.#disk = new SimulatedDisk(home);
    let node = new StateNode(new Model(), 0, undefined);
    if (operation.begin !== "nothing") {
      this.#disk.placeLogFolder();
      for (const [name, bytes] of base) this.#disk.place(name, bytes);
      for (const change of baseChanges) node = node.next(change);
    }
    this.#isDamaged = operation.damaged !== undefined;
    if (this.#isDamaged) damageLog(this.#disk, base);
    this.#before = node;
    this.#possible = [node];
    const beside = operation.beside && { files: withBeside(this.#disk) };
    const options = { ...operation.options, ...beside };
    this.#subject = { disk: this.#disk, store: undefined, options, durable: !operation.buffered };
  }

  /** Whether the fault came to pass. */
  get happened(): boolean {
    return this.#failed !== undefined;
  }

  async run(): Promise<void> {
    try {
      await within(HANG_MILLISECONDS, "it", () => this.#run());
    } catch (error) {
      this.#told((error as Error).stack ?? String(error));
    } finally {
      rmSync(this.#disk.home, { recursive: true, force: true });
      rmSync(besideFolder(this.#disk), { recursive: true, force: true });
    }
  }

  async #run(): Promise<void> {
    const { operation } = this.#trial;
    if (operation.begin === "open" || operation.begin === "closed") this.#subject.store = await this.#open();
    if (operation.begin === "closed") await this.#close();
    this.#disk.hooks.fault = (call) => this.#fault(call);
    try {
      this.result = JSON.stringify(await operation.run(this.#subject));
      this.#compare();
      // Where it could not read its own work it says so.
      if (operation.damaged === "mended" && this.result === "true") this.#isDamaged = false;
      this.#possible = [this.#after()];
    } catch (error) {
      this.#judge(error);
    }
    // A buffered save has a sync under way, which may be what fails.
    if (operation.buffered) await turns();
    this.#disk.hooks.fault = undefined;
    if (operation.buffered && this.#failed) this.#possible = [this.#before, this.#after()];
    if (this.#error && !this.#error.outcome && operation.change && !operation.partly)
      await this.#checkNothingLeft();
    await this.#goOn();
    await this.#leave();
    await this.#reopened("after opening it again");
    for (const name of readdirSync(this.#disk.home))
      if (name.startsWith("index-") || name === "lock")
        rmSync(join(this.#disk.home, name), { recursive: true, force: true });
    await this.#reopened("from the log alone");
  }

  #compare(): void {
    const { operation, expected } = this.#trial;
    if (operation.reads && expected !== undefined && this.result !== expected)
      this.#told(`gave ${this.result} instead of ${expected}`);
  }

  #fault(call: SeamCall) {
    const { code, nth, forGood, half } = this.#trial;
    if (!FAILING[code]!.includes(call.kind)) return undefined;
    this.calls.push(call);
    const due = this.calls.length === nth || (forGood && this.calls.length > nth);
    if (!due) return undefined;
    this.#failed ??= call;
    return { code, half };
  }

  /** The error of the operation: is it what the caller can rely on? */
  #judge(error: unknown): void {
    const { operation, code, forGood } = this.#trial;
    if (!(error instanceof VarveError)) {
      this.#told(`failed with ${(error as Error).stack}`);
      return;
    }
    this.#error = error;
    if (!this.#failed) this.#told(`failed without a fault: ${error.stack}`);
    const expected = code === "ENOSPC" ? "NO_SPACE" : "IO";
    if (error.code !== expected)
      this.#told(`failed with ${error.code} instead of ${expected}: ${error.message}`);
    if (!error.outcome && !operation.partly) return;
    this.#possible = [this.#before, this.#after()];
    if (!error.outcome) return;
    if (
      !operation.change &&
      !operation.settles &&
      operation.damaged !== "mended" &&
      operation.begin === "open"
    )
      this.#told(`called the outcome unknown, though it changes nothing: ${error.message}`);
    if (!forGood && this.#failed && !LEAVES_DOUBT.includes(this.#failed.kind))
      this.#told(`called the outcome unknown where it could know: ${error.message}`);
  }

  /** What failed for certain is not in the log, whoever reads it and whatever becomes of this process. */
  async #checkNothingLeft(): Promise<void> {
    const home = `${this.#disk.home}-log`;
    mkdirSync(home);
    const disk = diskOf(home, { files: this.#disk.contents() });
    const store = await openOver(disk);
    const text = await observe(store);
    await store.close();
    rmSync(home, { recursive: true, force: true });
    this.#settle(text, "the log of a call that failed");
  }

  /** The store stays usable with the disk in order again. */
  async #goOn(): Promise<void> {
    const { store } = this.#subject;
    if (!store || this.#trial.forGood || this.#doubtful()) return;
    await this.#mend(store);
    this.#settle(await observe(store), "the open store");
    if (store.readOnly) return;
    const next = this.#possible[0]!.next((model, sequence) => model.save("next", "1", sequence));
    await store.save("next", 1);
    this.#possible = [next];
    this.#settle(await observe(store), "the open store after another save");
  }

  async #leave(): Promise<void> {
    try {
      await this.#close();
    } catch (error) {
      if (!(error instanceof VarveError)) this.#told(`closing failed with ${(error as Error).stack}`);
      else if (!this.#doubtful() && !this.#trial.forGood) this.#told(`closing failed: ${error.message}`);
    }
    const open = await this.#openDescriptors();
    if (open.length > 0) this.#told(`left open after closing: ${open.join(", ")}`);
    for (const misuse of this.#disk.misuse) this.#told(misuse);
  }

  async #reopened(when: string): Promise<void> {
    this.#subject.store = await this.#open();
    await this.#mend(this.#subject.store);
    const before = this.#possible;
    this.#settle(await observe(this.#subject.store), when);
    const { ok, problems } = await this.#subject.store.verify();
    if (!ok) this.#told(`verify ${when}: ${problems.map(({ message }) => message).join("; ")}`);
    // What had an unknown outcome may still be adopted by the next write.
    const bases = before.length > 1 ? before.slice(before.indexOf(this.#possible[0]!)) : this.#possible;
    await this.#subject.store.save("later", 1);
    this.#possible = bases.map((node) => node.next((model, sequence) => model.save("later", "1", sequence)));
    this.#settle(await observe(this.#subject.store), `${when}, with another save`);
    await this.#close();
  }

  /** A repair that failed, or was not wanted, leaves a log that the next one mends. */
  async #mend(store: ArtifactStore): Promise<void> {
    if (!this.#trial.operation.damaged) return;
    if (this.#isDamaged && !(await repair(store)))
      this.#told("the backup has what is damaged, and it was not used");
    this.#isDamaged = false;
    // Each of two repairs may have put another copy of the value behind all else.
    const copied = (nodes: StateNode[]) => nodes.flatMap((node) => [node, node.next(() => {})]);
    this.#possible = copied(copied(this.#possible));
  }

  #settle(text: string, when: string): void {
    const found = this.#possible.filter((node) => node.text === text);
    if (found.length > 0) this.#possible = found;
    else {
      const short = (state: string) => state.replace(/l{50,}/g, "l…");
      this.#told(
        `${when} is\n${short(text)}\ninstead of\n${this.#possible.map((node) => short(node.text)).join("\nor\n")}`,
      );
    }
  }

  #after(): StateNode {
    const { change } = this.#trial.operation;
    return change ? this.#before.next(change) : this.#before;
  }

  /** Whether a sync failed: then the store may refuse to write until all have closed it. */
  #doubtful(): boolean {
    return this.#error?.outcome === "unknown" || this.#possible.length > 1;
  }

  #open(): Promise<ArtifactStore> {
    return openOver(this.#disk, this.#subject.options, this.#subject.durable);
  }

  async #close(): Promise<void> {
    const { store } = this.#subject;
    this.#subject.store = undefined;
    await store?.close();
  }

  /** Files of this home that the process has open; closing goes on for a moment on other threads. */
  async #openDescriptors(): Promise<string[]> {
    let open: string[] = [];
    for (let i = 0; i < 20; i++) {
      open = [
        ...openFilesUnder(this.#disk.home).filter((path) => !this.#isAbandoned(path)),
        ...Array.from({ length: this.#disk.openFiles }, () => "log"),
      ];
      if (open.length === 0) return open;
      await new Promise<void>((resolve) => setTimeout(resolve, i));
    }
    return open;
  }

  /** An index that may be wrong, as behind half a repair, is not closed before the process ends. */
  #isAbandoned(path: string): boolean {
    return this.#trial.operation.damaged === "mended" && /^\/index-\d+\/.*\(deleted\)$/.test(path);
  }

  #told(problem: string): void {
    const { operation, code, nth, forGood, half } = this.#trial;
    const failed = this.#failed
      ? `${this.#failed.kind} ${this.#failed.path.slice(this.#disk.home.length)}`
      : "nothing";
    const how = `${code}${half ? " half-way" : ""}${forGood ? " for good" : ""}`;
    this.problems.push(`${operation.name}, ${how} at call ${nth} (${failed}): ${problem}`);
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
