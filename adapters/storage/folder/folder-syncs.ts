import { dirname } from "node:path";
import { syncFolder } from "./system.ts";

type Sync = Promise<string | undefined>;

interface Syncing {
  running: Sync;
  /** For who came while that one ran: it may not have what they did. */
  next?: Sync;
}

/** Syncs of folders, each of which is for all who asked for it before it began. */
export class FolderSyncs {
  readonly #durable: boolean;
  readonly #syncing = new Map<string, Syncing>();
  /** Shards whose own names are on the disk, as they were then: others may have removed and made them since. */
  readonly #known = new Map<string, string>();

  /** @param durable whether anything is to be synced at all */
  constructor(durable: boolean) {
    this.#durable = durable;
  }

  /** Names in a shard are on the disk once this resolves, and so is its own. */
  async shard(path: string): Promise<void> {
    if (!this.#durable) return;
    const identity = await this.#join(path);
    if (identity === undefined || this.#known.get(path) === identity) return;
    await this.#join(dirname(path));
    this.#known.set(path, identity);
  }

  /** Its name is not on the disk, whatever it had before: the file system may not tell the two apart. */
  isMade(path: string): void {
    this.#known.delete(path);
  }

  async folder(path: string): Promise<void> {
    if (this.#durable) await this.#join(path);
  }

  #join(path: string): Sync {
    const under = this.#syncing.get(path);
    if (!under) return this.#begin(path);
    under.next ??= under.running.catch(() => {}).then(() => this.#begin(path));
    return under.next;
  }

  #begin(path: string): Sync {
    const running = syncFolder(path);
    const syncing: Syncing = { running };
    this.#syncing.set(path, syncing);
    const ended = () => {
      if (!syncing.next) this.#syncing.delete(path);
    };
    running.then(ended, ended);
    return running;
  }
}
