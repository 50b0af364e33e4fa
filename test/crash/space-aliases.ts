import type { Findings, Operation, Policy } from "./space-events.ts";
import type { KnownVersions } from "./space-versions.ts";
import { aliasSetBy } from "./space-versions.ts";

/** An alias that was set, and all that may have changed it since. */
interface Setting {
  name: string;
  alias: string;
  version: number;
  from: number;
  to: number;
}

/** Where an alias stood, as far as the calls tell; and what prunes had to leave because of that. */
class KnownAliases {
  readonly #settings: Setting[] = [];
  readonly #operations: readonly Operation[];

  constructor(operations: readonly Operation[]) {
    this.#operations = operations;
    for (const operation of operations) {
      const set = aliasSetBy(operation);
      const { from, to, result } = operation;
      if (!set || set.version === undefined || !result || result.error) continue;
      this.#settings.push({ name: set.name, alias: set.alias, version: set.version, from, to });
    }
  }

  /** The version that an alias named all the time between, where that is certain. */
  at(name: string, alias: string, from: number, to: number): number | undefined {
    const of = this.#settings.filter((each) => each.name === name && each.alias === alias && each.to < from);
    for (const setting of of) if (!this.#mayHaveChanged(setting, to)) return setting.version;
    return undefined;
  }

  /** An alias that named this version all the time between. */
  of(name: string, version: number, from: number, to: number): string | undefined {
    const of = this.#settings.filter(
      (each) => each.name === name && each.version === version && each.to < from,
    );
    return of.find((setting) => !this.#mayHaveChanged(setting, to))?.alias;
  }

  /** Prunes don't change aliases: that is what they are for. */
  #mayHaveChanged(setting: Setting, to: number): boolean {
    return this.#operations.some((operation) => {
      const { call, result } = operation;
      if (operation.to <= setting.from || operation.from >= to || result?.error) return false;
      const set = aliasSetBy(operation);
      if (set)
        return isSame(set, setting) && !(operation.from === setting.from && operation.to === setting.to);
      if (call.call === "deleteAlias") return isSame(call, setting);
      // An undelete gives a version only those of its aliases back that are free.
      if (call.call !== "delete" || call.name !== setting.name || !call.aliases) return false;
      return call.version === "all" || call.version === setting.version;
    });
  }
}

const isSame = (a: { name: string; alias: string }, b: { name: string; alias: string }) =>
  a.name === b.name && a.alias === b.alias;

/** What has an alias is there, and is what it was set to. */
export function checkAliases(
  operations: readonly Operation[],
  findings: Findings,
  known: KnownVersions,
): string[] {
  const aliases = new KnownAliases(operations);
  const wrong: string[] = [];
  for (const operation of operations) {
    const { who, call, from, to, result } = operation;
    if (!result) continue;
    if (call.call === "loadAlias") {
      const expected = aliases.at(call.name, call.alias, from, to);
      const found = result.given?.[0]?.version;
      if (
        expected !== undefined &&
        found !== expected &&
        (found !== undefined || result.error?.code === "NOT_FOUND")
      )
        wrong.push(`lost: ${call.name}@${call.alias} is ${found} for ${who}, and was set to ${expected}`);
    }
    if (call.call === "prune" && !call.dryRun && result.deleted)
      wrong.push(...checkPrune(operation, call.policy, aliases, known));
  }
  const end = findings.from;
  const lived = new Map<string, number>();
  for (const { name, version, aliases: own } of findings.contents.live)
    for (const alias of own ?? []) lived.set(`${name}@${alias}`, version);
  for (const operation of operations) {
    const set = aliasSetBy(operation);
    const expected = set && aliases.at(set.name, set.alias, end, end);
    if (set && expected !== undefined && lived.get(`${set.name}@${set.alias}`) !== expected)
      wrong.push(
        `lost: ${set.name}@${set.alias} is ${lived.get(`${set.name}@${set.alias}`)}, and was set to ${expected}`,
      );
  }
  return [...new Set(wrong)];
}

/** A prune takes nothing but what its policy names. */
function checkPrune(
  { who, from, to, result }: Operation,
  { name, keepLast, keepTags }: Policy,
  aliases: KnownAliases,
  known: KnownVersions,
): string[] {
  return result!.deleted!.flatMap((ref) => {
    const colon = ref.lastIndexOf(":");
    const [own, version] = [ref.slice(0, colon), Number(ref.slice(colon + 1))];
    const of = known.get(own, version);
    const told = (why: string) => [`pruned: ${ref} by ${who}, ${why}`];
    const alias = aliases.of(own, version, from, to);
    if (alias) return told(`which has the alias ${alias}`);
    if (!of) return [];
    if (known.isDeleted(of, from, to)) return told("which was deleted before");
    if (keepTags && of.saved.keep) return told("which has a tag to keep");
    if (name !== undefined && own !== name) return told(`though only ${name} was to be`);
    if (newerThan(own, version, from, to, known) < (keepLast ?? 0))
      return told(`though it is one of the last ${keepLast}`);
    return [];
  });
}

/** How many newer ones may have been live at some time between, those included that nobody acknowledged. */
function newerThan(name: string, version: number, from: number, to: number, known: KnownVersions): number {
  let newer = 0;
  for (let number = version + 1; number <= known.newest(name); number++) {
    const of = known.get(name, number);
    if (!of || (of.made.some((make) => make.from < to) && !known.isDeleted(of, from, to))) newer++;
  }
  return newer;
}
