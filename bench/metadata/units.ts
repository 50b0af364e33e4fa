/** What is saved: versions of many names, each with tags and metadata. */

import { createHash } from "node:crypto";
import { randomFrom } from "../../cli/bench/values.ts";
import type { Environment, Unit } from "../../engine/main.ts";

const PARTS = 100;
const STEPS = 10_000;

const environment: Environment = Object.freeze({
  user: "bench",
  host: "a-machine",
  node: "v22.0.0",
}) as Environment;

export const nameAt = (index: number) => `experiments/part-${index % PARTS}/model-${index}`;

/** Drawn one after another, the same for each seed. */
export class UnitSource {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  tagsAt(index: number): Record<string, string> {
    return { kind: "model", part: String(index % PARTS) };
  }

  metadata(): Record<string, number | string> {
    const random = this.#random;
    return { accuracy: random(), loss: random(), step: Math.floor(random() * STEPS), dataset: "trips/2026" };
  }

  unitAt(index: number): Unit {
    const digest = createHash("sha256").update(String(index)).digest();
    const value = { digest, size: 1_024, mediaType: "application/cbor" };
    return {
      time: Date.now(),
      operations: [
        {
          ...{ kind: "save", name: nameAt(index), value, backend: "varve", inputs: [], environment },
          ...{ tags: this.tagsAt(index), metadata: this.metadata() },
        },
      ],
    };
  }
}
