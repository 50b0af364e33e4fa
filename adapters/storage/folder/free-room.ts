import { statfs } from "node:fs/promises";
import { VarveError } from "../../../engine/main.ts";

/** For so long what was free at a look, less what was written since, is taken to be free still. */
const FRESH_MILLISECONDS = 250;

/** Whether the disk has room for more. */
export class FreeRoom {
  readonly #folder: string;
  readonly #minFreeSpace: number;
  #looking: Promise<number> | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** Promised since the look. */
  #promised = 0;

  constructor(folder: string, minFreeSpace: number) {
    this.#folder = folder;
    this.#minFreeSpace = minFreeSpace;
  }

  /** Before so many bytes are written. @throws NO_SPACE */
  async take(bytes: number): Promise<void> {
    if (performance.now() - this.#lookedAt > FRESH_MILLISECONDS) {
      this.#lookedAt = performance.now();
      this.#promised = 0;
      this.#looking = statfs(this.#folder).then(({ bavail, bsize }) => bavail * bsize);
    }
    this.#promised += bytes;
    const promised = this.#promised;
    const free = await this.#looking!;
    if (free - promised >= this.#minFreeSpace) return;
    throw new VarveError("NO_SPACE", `only ${free} bytes are free on the disk of ${this.#folder}`, {
      hint: `free some space: saves stop below ${this.#minFreeSpace} bytes (minFreeSpace), before the disk is full`,
    });
  }
}
