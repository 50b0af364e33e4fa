import { join } from "node:path";
import type { ArtifactStore, SaveOptions } from "../../engine/api.ts";
import { VarveError } from "../../engine/errors.ts";
import type { Random } from "../helpers/random.ts";
import type { Call, Policy, Result, SavedCall } from "./space-events.ts";
import type { ValueKey } from "./values.ts";
import {
  codeOf,
  isTree,
  largeKey,
  largeTreeKey,
  plainKey,
  saveValue,
  treeKey,
  valueOfKey,
} from "./values.ts";

const NAMES = 3;
const ALIASES = 3;
/** Values that all processes save. */
const SHARED_VALUES = 6;
/** One value in so many is a directory, or longer than one blob may be: they take much longer. */
const TREE_ONE_IN = 12;
const LARGE_ONE_IN = 50;
/** Of trees. */
const LARGE_TREE_ONE_IN = 12;
/** Of those that processes may have in common. */
const SHARED_IDS = 3;

interface Version {
  name: string;
  version: number;
  value?: ValueKey;
}

/** Draws calls for one process by what it has seen of the store. */
export class SpaceCalls {
  readonly #random: Random;
  readonly #who: string;
  readonly #backups: string;
  /** A store that keeps itself small has none that are large. */
  readonly #isCapped: boolean;
  #live: Version[] = [];
  #dead: Version[] = [];
  #count = 0;

  constructor(random: Random, who: string, backups: string, isCapped: boolean) {
    this.#isCapped = isCapped;
    this.#random = random;
    this.#who = who;
    this.#backups = backups;
  }

  draw(): Call | undefined {
    const kinds: [number, () => Call | undefined][] = [
      [24, () => this.save()],
      [3, () => this.#batch()],
      [12, () => this.delete()],
      [9, () => this.#undelete()],
      [5, () => this.#setAlias()],
      [2, () => this.#deleteAlias()],
      [3, () => this.#annotate()],
      [7, () => this.#compact()],
      [4, () => this.#prune()],
      [2, () => ({ call: "backup", folder: join(this.#backups, this.#who) })],
      [1, () => ({ call: "rebuild" })],
      [1, () => ({ call: "verify" })],
      [1, () => ({ call: "stats" })],
    ];
    let chosen = this.#random.below(kinds.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, make] of kinds) {
      if (chosen < weight) return make();
      chosen -= weight;
    }
    return undefined;
  }

  read(): Call | undefined {
    if (this.#random.below(3) === 0) return { call: "loadAlias", name: this.#name(), alias: this.#alias() };
    const one = this.#any(this.#random.below(6) === 0 ? this.#dead : this.#live);
    return one && { call: "load", name: one.name, version: one.version };
  }

  save(): SavedCall {
    const id = `${this.#who}.${this.#count++}`;
    const code = this.#random.below(8) === 0 ? { code: `code${this.#random.below(3)}` } : {};
    const keep = this.#random.below(6) === 0 ? { keep: true as const } : {};
    return { call: "save", name: this.#name(), value: this.#value(id), id, ...code, ...keep };
  }

  delete(): Call | undefined {
    const aliases = this.#random.below(3) > 0;
    if (this.#random.below(20) === 0) return { call: "delete", name: this.#name(), version: "all", aliases };
    const one = this.#any(this.#live);
    return one && { call: "delete", name: one.name, version: one.version, aliases };
  }

  /** A version that a list gave. */
  seen(name: string, version: number): void {
    if (this.#live.some((one) => one.name === name && one.version === version)) return;
    this.#live.push({ name, version });
  }

  /** Remembers what a call did. */
  done(call: Call, result: Result): void {
    if (call.call === "save") this.#remember(call, result.saved![0]!.version);
    if (call.call === "batch")
      for (const [i, save] of call.saves.entries()) this.#remember(save, result.saved![i]!.version);
    if (call.call === "undelete") this.#live.push(this.#taken("dead", call.name, call.version));
    for (const ref of result.deleted ?? []) {
      const colon = ref.lastIndexOf(":");
      this.#dead.push(this.#taken("live", ref.slice(0, colon), Number(ref.slice(colon + 1))));
    }
  }

  async run(store: ArtifactStore, call: Call): Promise<Result> {
    switch (call.call) {
      case "save": {
        const folder = join(this.#backups, "..", `tree-${call.id}`);
        const { version, sequence } = await saveValue(store, call.name, call.value, optionsOf(call), folder);
        return { saved: [{ version, sequence }] };
      }
      case "batch": {
        const saved = await store.batch((batch) => {
          const [first, second] = call.saves;
          batch.save(first.name, valueOfKey(first.value), optionsOf(first));
          const pending = batch.save(second.name, valueOfKey(second.value), optionsOf(second));
          batch.setAlias(second.name, call.alias, pending);
        });
        return { saved: saved.map(({ version, sequence }) => ({ version, sequence })) };
      }
      case "delete":
        return store.delete(`${call.name}:${call.version}`, { aliases: call.aliases });
      case "prune": {
        const { policy, dryRun, compact } = call;
        const { versions } = await store.prune(policy, { dryRun, compact });
        return { deleted: dryRun ? [] : versions.map(({ ref }) => ref) };
      }
      default:
        await runOther(store, call);
        return {};
    }
  }

  #remember({ name, value }: SavedCall, version: number): void {
    this.#live.push({ name, version, value });
  }

  #taken(from: "live" | "dead", name: string, version: number): Version {
    const list = from === "live" ? this.#live : this.#dead;
    const at = list.findIndex((one) => one.name === name && one.version === version);
    return at < 0 ? { name, version } : list.splice(at, 1)[0]!;
  }

  #batch(): Call {
    return { call: "batch", saves: [this.#saveOfBatch(), this.#saveOfBatch()], alias: this.#alias() };
  }

  /** A batch has no directories. */
  #saveOfBatch(): SavedCall {
    const save = this.save();
    return isTree(save.value) ? { ...save, value: plainKey(20, save.id) } : save;
  }

  #undelete(): Call | undefined {
    const one = this.#any(this.#dead);
    return one && { call: "undelete", name: one.name, version: one.version };
  }

  #setAlias(): Call | undefined {
    const one = this.#any(this.#live);
    return one && { call: "setAlias", name: one.name, alias: this.#alias(), version: one.version };
  }

  #deleteAlias(): Call {
    return { call: "deleteAlias", name: this.#name(), alias: this.#alias() };
  }

  #annotate(): Call | undefined {
    const one = this.#any(this.#live);
    const note = `${this.#who}.${this.#count++}`;
    return one && { call: "annotate", name: one.name, version: one.version, note };
  }

  #compact(): Call {
    const chosen = this.#random.below(8);
    if (chosen === 0) return { call: "compact", dryRun: true };
    if (chosen === 1) return { call: "compact", deadShare: 0.25 };
    if (chosen < 4) return { call: "compact", historyBefore: this.#random.below(60) };
    return { call: "compact" };
  }

  #prune(): Call {
    const policy: Policy = {};
    const chosen = this.#random.below(4);
    if (chosen < 2) policy.keepLast = 1 + this.#random.below(3);
    if (chosen === 2) policy.olderThan = this.#random.below(60);
    if (chosen === 3) policy.maxSize = 2_000 + this.#random.below(20_000);
    if (this.#random.below(2) === 0) policy.name = this.#name();
    if (this.#random.below(2) === 0) policy.keepTags = { keep: "yes" };
    const [dryRun, compact] = [this.#random.below(5) === 0, this.#random.below(4) > 0];
    return { call: "prune", policy, dryRun, compact };
  }

  #any(versions: readonly Version[]): Version | undefined {
    // Mostly one of the newest, which others work with too.
    const back = this.#random.below(2) === 0 ? Math.min(6, versions.length) : versions.length;
    return versions[versions.length - 1 - this.#random.below(back)];
  }

  #name(): string {
    return `n${this.#random.below(NAMES)}`;
  }

  #alias(): string {
    return `a${this.#random.below(ALIASES)}`;
  }

  /** One that others have too, one that was deleted, or a new one; small, or of several kilobytes, seldom large. */
  #value(id: string): ValueKey {
    const one = this.#random.below(3) === 0 ? id : `${this.#random.below(SHARED_IDS)}`;
    if (this.#random.below(TREE_ONE_IN) === 0) {
      const isLarge = !this.#isCapped && this.#random.below(LARGE_TREE_ONE_IN) === 0;
      return isLarge ? largeTreeKey(one) : treeKey(one);
    }
    if (!this.#isCapped && this.#random.below(LARGE_ONE_IN) === 0) return largeKey(one);
    const chosen = this.#random.below(10);
    if (chosen < 3) return plainKey(100 * this.#random.below(SHARED_VALUES), "shared");
    const dead = this.#any(this.#dead)?.value;
    if (chosen < 6 && dead) return dead;
    const bytes =
      this.#random.below(60) === 0 ? 70_000 : this.#random.below([20, 300, 1_500, 4_000][chosen % 4]!);
    return plainKey(bytes, id);
  }
}

function optionsOf({ id, code, keep }: SavedCall): SaveOptions {
  const tags = { id, ...(keep && { keep: "yes" }) };
  return { tags, ...(code !== undefined && { code: codeOf(code) }) };
}

async function runOther(store: ArtifactStore, call: Call): Promise<void> {
  switch (call.call) {
    case "undelete":
      await store.undelete(`${call.name}:${call.version}`);
      return;
    case "setAlias":
      return store.setAlias(call.name, call.alias, call.version);
    case "deleteAlias":
      return store.deleteAlias(call.name, call.alias);
    case "annotate":
      await store.annotate(`${call.name}:${call.version}`, { tags: { note: call.note } });
      return;
    case "compact": {
      const { call: _, ...options } = call;
      await store.compact(options);
      return;
    }
    case "backup":
      await store.backup(call.folder);
      return;
    case "rebuild":
      return store.rebuildIndex();
    case "verify": {
      const { ok, problems } = await store.verify();
      if (!ok)
        throw new VarveError("CORRUPTION", `verify: ${problems.map(({ message }) => message).join("; ")}`);
      return;
    }
    case "stats":
      await store.stats();
      return;
    default:
      throw new Error(`nobody draws ${call.call}`);
  }
}
