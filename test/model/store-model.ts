import type { Json } from "../../engine/api.ts";
import { compareText, Refused } from "./support.ts";

/** The artifact store as plain data: what `api.md` says that each call does, and nothing of how. */

export interface ModelVersion {
  name: string;
  version: number;
  digest: string;
  mediaType: string;
  size: number;
  createdAt: number;
  sequence: number;
  inputs: string[];
  tags: Map<string, string>;
  metadata: Map<string, Json>;
  code: string | undefined;
  deleted: boolean;
  /** It can't be brought back, whatever is there of its bytes. */
  forgotten?: boolean;
  removedAliases: string[];
  /** Digests of the blobs that it needs: its value, and its code where that is long. */
  blobs: string[];
}

export interface ModelSave {
  name: string;
  value: { digest: string; mediaType: string; size: number };
  /** Set when the code is long enough to be a blob. */
  codeBlob: { digest: string; size: number } | undefined;
  code: string | undefined;
  inputs: ModelRef[];
  tags: Record<string, string>;
  metadata: Record<string, Json>;
  ifVersion: number | "absent" | undefined;
}

export type ModelRef =
  | { name: string; kind: "bare" }
  | { name: string; kind: "latest" }
  | { name: string; kind: "all" }
  | { name: string; kind: "version"; version: number }
  | { name: string; kind: "alias"; alias: string };

export interface ModelFilter {
  name?: string;
  tags?: Record<string, string>;
  allVersions?: boolean;
  deleted?: boolean;
  reverse?: boolean;
  limit?: number;
  after?: string;
}

interface State {
  names: Map<string, ModelVersion[]>;
  aliases: Map<string, Map<string, number>>;
  blobs: Map<string, number>;
  sequence: number;
  time: number;
}

export class StoreModel {
  #state: State = { names: new Map(), aliases: new Map(), blobs: new Map(), sequence: 0, time: 0 };
  #wrote = false;

  /** Runs operations under one sequence number: all of them, or none when one is refused. */
  commit<T>(now: number, run: () => T): T {
    const before = structuredClone(this.#state);
    this.#wrote = false;
    try {
      this.#state.sequence++;
      this.#state.time = Math.max(now, this.#state.time);
      const result = run();
      if (!this.#wrote) this.#state = before;
      return result;
    } catch (error) {
      this.#state = before;
      throw error;
    }
  }

  // Changes, each within `commit`

  save(plan: ModelSave): ModelVersion {
    const { name, value, codeBlob } = plan;
    const latest = this.#latest(name)?.version ?? "absent";
    if (plan.ifVersion !== undefined && plan.ifVersion !== latest) throw new Refused("CONFLICT");
    const inputs = plan.inputs.map((ref) => refOf(this.live(ref)));
    const versions = this.#state.names.get(name) ?? [];
    const saved: ModelVersion = {
      name,
      version: versions.length,
      ...value,
      createdAt: this.#state.time,
      sequence: this.#state.sequence,
      inputs,
      tags: new Map(Object.entries(plan.tags)),
      metadata: new Map(Object.entries(plan.metadata)),
      code: plan.code,
      deleted: false,
      removedAliases: [],
      blobs: codeBlob ? [value.digest, codeBlob.digest] : [value.digest],
    };
    for (const { digest, size } of codeBlob ? [value, codeBlob] : [value])
      this.#state.blobs.set(digest, size);
    this.#state.names.set(name, [...versions, saved]);
    this.#wrote = true;
    return saved;
  }

  setAlias(name: string, alias: string, version: number): void {
    this.live({ name, kind: "version", version });
    const aliases = this.#state.aliases.get(name) ?? new Map();
    this.#state.aliases.set(name, aliases.set(alias, version));
    this.#wrote = true;
  }

  deleteAlias(name: string, alias: string): void {
    if (!this.#state.aliases.get(name)?.delete(alias)) throw new Refused("NOT_FOUND");
    this.#wrote = true;
  }

  annotate(ref: ModelRef, tags: Record<string, string | null>, metadata: Record<string, Json>): ModelVersion {
    const found = this.live(ref);
    for (const [key, value] of Object.entries(tags)) {
      if (value === null) found.tags.delete(key);
      else found.tags.set(key, value);
    }
    for (const [key, value] of Object.entries(metadata)) {
      if (value === null) found.metadata.delete(key);
      else found.metadata.set(key, value);
    }
    this.#wrote = true;
    return found;
  }

  delete(ref: ModelRef, withAliases: boolean): { deleted: string[]; aliases: string[] } {
    if (ref.kind === "bare") throw new Refused("INVALID_ARGUMENT");
    const victims = ref.kind === "all" ? this.versions(ref.name) : [this.live(ref)];
    if (victims.length === 0) throw new Refused("NOT_FOUND");
    if (!withAliases && victims.some((victim) => this.aliasesOf(victim).length > 0))
      throw new Refused("CONFLICT");
    const report = { deleted: victims.map(refOf), aliases: [] as string[] };
    for (const victim of victims) {
      victim.removedAliases = this.aliasesOf(victim);
      victim.deleted = true;
      for (const alias of victim.removedAliases) {
        this.#state.aliases.get(ref.name)!.delete(alias);
        report.aliases.push(`${ref.name}@${alias}`);
      }
    }
    this.#wrote = true;
    return report;
  }

  undelete(ref: ModelRef): ModelVersion {
    if (ref.kind !== "version") throw new Refused("INVALID_ARGUMENT");
    const found = this.#state.names.get(ref.name)?.[ref.version];
    if (!found) throw new Refused("NOT_FOUND");
    if (!found.deleted) return found;
    if (this.#isGone(found)) throw new Refused("NOT_FOUND");
    found.deleted = false;
    const aliases = this.#state.aliases.get(ref.name) ?? new Map<string, number>();
    for (const alias of found.removedAliases) if (!aliases.has(alias)) aliases.set(alias, ref.version);
    this.#state.aliases.set(ref.name, aliases);
    found.removedAliases = [];
    this.#wrote = true;
    return found;
  }

  /** What no live version needs is gone. @param forgetsAll and no deleted version comes back, though another has its bytes */
  compact(forgetsAll: boolean): void {
    for (const version of [...this.#state.names.values()].flat())
      if (forgetsAll && version.deleted) version.forgotten = true;
    const live = [...this.#state.names.values()].flat().filter(({ deleted }) => !deleted);
    const needed = new Set(live.flatMap(({ blobs }) => blobs));
    for (const digest of this.#state.blobs.keys()) if (!needed.has(digest)) this.#state.blobs.delete(digest);
  }

  #isGone({ blobs, forgotten }: ModelVersion): boolean {
    return forgotten === true || !blobs.every((digest) => this.#state.blobs.has(digest));
  }

  /** Its code too, where that is gone. */
  hasCode({ blobs: [, code] }: ModelVersion): boolean {
    return code === undefined || this.#state.blobs.has(code);
  }

  // Readings

  find(ref: ModelRef): ModelVersion | undefined {
    if (ref.kind === "all") throw new Refused("INVALID_ARGUMENT");
    if (ref.kind === "bare" || ref.kind === "latest") return this.#latest(ref.name);
    const version = "alias" in ref ? this.#state.aliases.get(ref.name)?.get(ref.alias) : ref.version;
    const found = version === undefined ? undefined : this.#state.names.get(ref.name)?.[version];
    return found?.deleted ? undefined : found;
  }

  live(ref: ModelRef): ModelVersion {
    const found = this.find(ref);
    if (!found) throw new Refused("NOT_FOUND");
    return found;
  }

  versions(name: string): ModelVersion[] {
    return (this.#state.names.get(name) ?? []).filter((version) => !version.deleted);
  }

  aliases(name: string): Record<string, number> {
    return Object.fromEntries(this.#state.aliases.get(name) ?? []);
  }

  aliasesOf({ name, version }: ModelVersion): string[] {
    const aliases = [...(this.#state.aliases.get(name) ?? [])];
    return aliases
      .filter(([, target]) => target === version)
      .map(([alias]) => alias)
      .sort(compareText);
  }

  list(filter: ModelFilter): ModelVersion[] {
    const names = [...this.#state.names.keys()].sort(compareText);
    let listed = names.flatMap((name) => {
      const all = this.#state.names.get(name)!.filter(({ deleted }) => deleted === (filter.deleted ?? false));
      return filter.allVersions || filter.deleted ? all.reverse() : all.slice(-1);
    });
    listed = listed.filter(({ name }) => matchesGlob(filter.name ?? "**", name));
    if (filter.reverse) listed.reverse();
    if (filter.after !== undefined) {
      const [name, version] = filter.after.split(":") as [string, string];
      const everyVersion = filter.allVersions || filter.deleted;
      const behind = (one: ModelVersion) =>
        compareText(one.name, name) || (everyVersion ? Number(version) - one.version : 0);
      listed = listed.filter((one) => (filter.reverse ? behind(one) < 0 : behind(one) > 0));
    }
    const wanted = Object.entries(filter.tags ?? {});
    listed = listed.filter(({ tags }) => wanted.every(([key, value]) => tags.get(key) === value));
    return listed.slice(0, filter.limit);
  }

  stats() {
    const all = [...this.#state.names.values()].flat();
    const live = all.filter(({ deleted }) => !deleted);
    const references = new Map<string, number>();
    for (const digest of live.flatMap(({ blobs }) => blobs))
      references.set(digest, (references.get(digest) ?? 0) + 1);
    const sizes = (digests: Iterable<string>) =>
      [...digests].reduce((sum, digest) => sum + this.#state.blobs.get(digest)!, 0);
    return {
      names: new Set(live.map(({ name }) => name)).size,
      versions: live.length,
      deletedVersions: all.filter((version) => version.deleted && !this.#isGone(version)).length,
      aliases: [...this.#state.aliases.values()].reduce((sum, { size }) => sum + size, 0),
      valueBytes: live.reduce((sum, { size }) => sum + size, 0),
      blobs: this.#state.blobs.size,
      blobBytes: sizes(this.#state.blobs.keys()),
      liveBlobBytes: sizes(references.keys()),
      deadBlobBytes: [...this.#state.blobs]
        .filter(([digest]) => !references.has(digest))
        .reduce((sum, [, size]) => sum + 8 * Math.ceil((64 + size) / 8), 0),
      deduplicatedBytes: sizes(live.flatMap(({ blobs }) => blobs)) - sizes(references.keys()),
      sequence: this.#state.sequence,
    };
  }

  #latest(name: string): ModelVersion | undefined {
    return this.versions(name).at(-1);
  }
}

function refOf({ name, version }: ModelVersion): string {
  return `${name}:${version}`;
}

/** `*` within a level, `**` across; `**` and a slash may stand for nothing. Tries every way, letter by letter. */
export function matchesGlob(pattern: string, name: string): boolean {
  if (pattern === "") return name === "";
  const rest = (length: number) => pattern.slice(length);
  const tails = Array.from({ length: name.length + 1 }, (_, i) => name.slice(i));
  if (pattern.startsWith("**/") && matchesGlob(rest(3), name)) return true;
  if (pattern.startsWith("**")) return tails.some((tail) => matchesGlob(rest(2), tail));
  if (pattern.startsWith("*")) {
    const slash = name.indexOf("/");
    const within = slash < 0 ? tails : tails.slice(0, slash + 1);
    return within.some((tail) => matchesGlob(rest(1), tail));
  }
  return name[0] === pattern[0] && matchesGlob(rest(1), name.slice(1));
}
