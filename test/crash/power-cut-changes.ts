import type { Artifact, ArtifactStore } from "../../engine/api.ts";
import type { Random } from "../helpers/random.ts";
import type { Change, Model, ModelVersion } from "./power-cut-history.ts";
import type { ValueKey } from "./values.ts";
import { bytesKey, giveUpSaving, largeKey, largeTreeKey, saveValue, treeKey } from "./values.ts";

/** A change of the model, and the call that makes it in the store. */
export interface DrawnChange {
  change: Change;
  call: () => Promise<unknown>;
  /** It is refused where the bytes were compacted away. */
  mayBeGone?: true;
}

/** Whether a call gave one. */
export function isArtifact(result: unknown): result is Artifact {
  return typeof result === "object" && result !== null && "sequence" in result;
}

const NAMES = ["a", "b", "dir/c"];
const ALIASES = ["x", "y", "z"];

/** Which values a workload has beside small ones: directories and streams, or also some above 1 MiB, which cost a hundred times as much. */
export type Parts = "none" | "small" | "large";

const LARGE_MAX = 2;
/** Equal values among those in parts. */
const SHARED_IDS = 3;

/** Changes of a store, drawn at random. */
export class DrawnChanges {
  readonly #random: Random;
  /** Where trees may be made. */
  readonly #folder: string;
  #values = 0;
  #largeLeft: number;

  constructor(random: Random, parts: Parts, folder: string) {
    this.#random = random;
    this.#folder = folder;
    this.#largeLeft = parts === "large" ? LARGE_MAX : 0;
  }

  /** @param model what the store holds, as far as it is known */
  draw(store: ArtifactStore, model: Model): DrawnChange {
    const live = model.live();
    const chosen = this.#random.below(10);
    if (live.length === 0 || chosen < 5) return this.save(store);
    if (chosen < 7) return this.#batch(store);
    return this.#changeOne(store, live[this.#random.below(live.length)]!);
  }

  save(store: ArtifactStore): DrawnChange {
    const name = this.#name();
    const value = this.#value();
    const tags = this.#random.below(2) === 0 ? { n: String(this.#values) } : {};
    return {
      change: (m, sequence) => m.save(name, JSON.stringify(value), sequence, tags),
      call: () => store.save(name, value, { tags }),
    };
  }

  /** Nothing else that changes the store may be under way: when the last commit of it comes is not known. */
  saveInParts(store: ArtifactStore): DrawnChange {
    const [name, key] = [this.#name(), this.#keyInParts()];
    return {
      change: (m, sequence) => m.save(name, JSON.stringify(key), sequence),
      call: () => saveValue(store, name, key, {}, this.#folder),
    };
  }

  /** A save in parts that changes nothing, since it is given up. */
  giveUp(store: ArtifactStore): Promise<void> {
    const bytes = this.#random.below(1_000_000);
    return giveUpSaving(store, this.#name(), this.#keyInParts(), bytes, this.#folder);
  }

  #keyInParts(): ValueKey {
    const isNew = this.#random.below(3) === 0;
    const id = String(isNew ? `new.${this.#values++}` : this.#random.below(SHARED_IDS));
    const chosen = this.#random.below(3);
    if (this.#largeLeft > 0 && chosen < 2) {
      this.#largeLeft--;
      return chosen === 0 ? largeTreeKey(id) : largeKey(id);
    }
    return chosen === 0 ? bytesKey(this.#random.below(10_000), id) : treeKey(id);
  }

  #changeOne(store: ArtifactStore, one: ModelVersion): DrawnChange {
    const { name, version } = one;
    const alias = ALIASES[this.#random.below(ALIASES.length)]!;
    const tags = { ...one.tags, note: String(this.#values++) };
    const ref = `${name}:${version}`;
    const changes: DrawnChange[] = [
      {
        change: (m) => m.setAlias(name, alias, version),
        call: () => store.setAlias(name, alias, version),
      },
      { change: (m) => m.change(name, version, { tags }), call: () => store.annotate(ref, { tags }) },
      { change: (m) => m.delete(name, version), call: () => store.delete(ref, { aliases: true }) },
    ];
    return changes[this.#random.below(3)]!;
  }

  /** What is decided by more than one state, so nothing else may be under way; undefined where there is nothing to do. */
  drawAlone(store: ArtifactStore, model: Model): DrawnChange | undefined {
    const [chosen, name] = [this.#random.below(3), this.#name()];
    if (chosen === 0 && model.prunable(name).length > 0)
      return {
        change: (m) => m.prune(name),
        call: () => store.prune({ name, keepLast: 1 }, { compact: this.#random.below(2) === 0, force: true }),
      };
    if (chosen === 1 && model.forgettable().length > 0)
      return { change: (m) => m.forget(), call: () => store.compact({ historyBefore: 2 ** 40 }) };
    const deleted = model.deleted();
    const one = deleted[this.#random.below(deleted.length)];
    return (
      one && {
        change: (m) => m.undelete(one.name, one.version),
        call: () => store.undelete(`${one.name}:${one.version}`),
        mayBeGone: true,
      }
    );
  }

  /** Two saves and an alias, which come together or not at all. */
  #batch(store: ArtifactStore): DrawnChange {
    const names = [this.#name(), this.#name()] as const;
    const values = [this.#value(), this.#value()] as const;
    const change: Change = (m, sequence) => {
      m.save(names[0], JSON.stringify(values[0]), sequence);
      m.save(names[1], JSON.stringify(values[1]), sequence);
      m.setAlias(names[1], "batch", m.names.get(names[1])!.length - 1);
    };
    const call = async () => {
      const [, second] = await store.batch((batch) => {
        batch.save(names[0], values[0]);
        batch.setAlias(names[1], "batch", batch.save(names[1], values[1]));
      });
      return second;
    };
    return { change, call };
  }

  #name(): string {
    return NAMES[this.#random.below(NAMES.length)]!;
  }

  /** Mostly small ones, some of several sectors, few so large that they are written in pieces; some equal to earlier ones. */
  #value(): unknown {
    const size = [0, 10, 200, 700, 2_000][this.#random.below(5)]!;
    if (this.#random.below(6) === 0) return { same: "x".repeat(size) };
    const length = this.#random.below(60) === 0 ? 70_000 : this.#random.below(size + 1);
    return { n: this.#values++, text: String.fromCharCode(97 + this.#random.below(26)).repeat(length) };
  }
}
