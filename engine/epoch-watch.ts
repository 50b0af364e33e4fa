import type { IndexView } from "./index-view.ts";
import type { IndexSource } from "./maintenance/index-source.ts";

/**
 * Makes a process that does nothing go along when records of the log were moved, and say so: until then the files that they
 * were moved from are kept for it. A look costs microseconds; the lock is only taken when something has changed.
 */
export class EpochWatch {
  readonly #source: IndexSource;
  readonly #view: IndexView;
  readonly #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(source: IndexSource, view: IndexView) {
    this.#source = source;
    this.#view = view;
    if (!source.registered) return;
    this.#timer = setInterval(() => this.look(), source.registered.times.look);
    this.#timer.unref();
  }

  /** Resolves when this process has acknowledged what it can. Where the lock can't be had, the next look tries again. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch(() => {})
      .finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async #look(): Promise<void> {
    // Before it is known whether there is one: an index of this process's own would read the log for the state.
    if (!this.#source.registered) return;
    if (this.#source.sharedState().logEpoch !== this.#view.logEpoch) await this.#view.goOver();
    const { registered } = this.#source;
    const acknowledged = registered?.epoch;
    if (acknowledged === undefined || this.#view.oldestEpoch <= acknowledged) return;
    await registered!.acknowledge(() => this.#view.oldestEpoch);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
