/** One store, to be damaged in all the ways that there are, and examined by a process that may die of it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../../engine/main.ts";
import type { Expected, Filling, Material } from "./damage-material.ts";
import { expectedOf, takeMaterial, writeExpected } from "./damage-material.ts";
import { ExamineProcess } from "./damage-process.ts";
import { PlainProcess } from "./plain-programs.ts";

/** One store twice: closed in order, and left open by a process that was killed. */
export interface Pair {
  closed: Material;
  killed: Material;
  expected: Expected;
}

/** @param folder an empty one, for the homes that they are taken from */
async function makePair(folder: string, filling: Filling, segmentBytesMax?: number): Promise<Pair> {
  const homes = { closed: join(folder, "closed"), killed: join(folder, "killed") };
  for (const [how, home] of Object.entries(homes)) {
    const options = { home, ...filling, segmentBytesMax, close: how === "closed" };
    const builder = new PlainProcess("damage-builder-program", options);
    await builder.expect();
    await builder.kill();
  }
  const [closed, killed] = [takeMaterial(homes.closed), takeMaterial(homes.killed)];
  const store = await openStore({ home: homes.closed, environment: false });
  const expected = await expectedOf(store);
  await store.close();
  return { closed, killed, expected };
}

/** A pair with a folder for the homes that are written from it. */
export class PairTrials {
  readonly pair: Pair;
  /** For what may end the process that does it. */
  readonly process: ExamineProcess;
  readonly #folder: string;

  private constructor(folder: string, pair: Pair) {
    this.#folder = folder;
    this.pair = pair;
    const expected = join(folder, "expected.json");
    writeExpected(expected, pair.expected);
    this.process = new ExamineProcess(expected);
  }

  static async make(filling: Filling, segmentBytesMax?: number): Promise<PairTrials> {
    const folder = mkdtempSync(join(tmpdir(), "varve-damage-"));
    return new PairTrials(folder, await makePair(folder, filling, segmentBytesMax));
  }

  newHome(): string {
    return mkdtempSync(join(this.#folder, "home-"));
  }

  async remove(): Promise<void> {
    await this.process.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
