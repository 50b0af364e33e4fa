import { existsSync } from "node:fs";
import type { Random } from "../helpers/random.ts";
import type { IndexCopy } from "./power-cut-check.ts";
import { cleanIndexes, TakenStates } from "./power-cut-check.ts";
import type { History } from "./power-cut-history.ts";
import { crashStates } from "./power-cut-states.ts";
import type { SimulatedDisk } from "./simulated-disk.ts";

/** What a workload met, and the states that a power cut could have left then. */
export class Moments {
  readonly taken = new TakenStates();
  readonly counts: Record<string, number> = {};
  readonly #disk: SimulatedDisk;
  readonly #history: History;
  readonly #random: Random;
  readonly #draws: number;
  #indexes: IndexCopy[] = [];
  /** What was done, for who looks into a violation. */
  readonly #trail: string[] = [];

  /** @param draws states taken at each moment beside those that are always taken */
  constructor(disk: SimulatedDisk, history: History, random: Random, draws: number) {
    this.#disk = disk;
    this.#history = history;
    this.#random = random;
    this.#draws = draws;
  }

  take(moment: string): void {
    const nodes = this.#history.possible;
    this.#trail.push(`${moment} (${nodes.map(({ sequence }) => sequence).join(" ")})`);
    this.count("moments");
    for (const crash of crashStates(this.#disk, this.#random, this.#draws))
      this.taken.add({ crash, nodes, indexes: this.#indexes, trail: this.#trail, at: this.#trail.length });
  }

  noteIndexes(): void {
    if (!existsSync(this.#disk.home)) return;
    const known = new Set(this.#indexes.map(({ mark }) => JSON.stringify(mark)));
    const added = cleanIndexes(this.#disk.home).filter(({ mark }) => !known.has(JSON.stringify(mark)));
    this.#indexes = [...this.#indexes, ...added];
  }

  count(what: string): void {
    if (what !== "moments") this.#trail.push(what);
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}
