import { createHash } from "node:crypto";
import type { Artifact } from "../../engine/api.ts";

/** The store as plain data, and all the states that it may be in after a power cut. */

export interface ModelVersion {
  name: string;
  version: number;
  sequence: number;
  /** The value, as JSON. */
  value: string;
  tags: Record<string, string>;
  deleted: boolean;
  /** Not even the deletion is known any more. */
  forgotten?: boolean;
  /** Aliases that were removed with it. */
  removed?: string[];
}

export class Model {
  readonly names = new Map<string, ModelVersion[]>();
  /** By name and alias. */
  readonly aliases = new Map<string, { name: string; version: number }>();
  /** Whether only the order of operations is known, and not their numbers: saving in parts, and sweeping, take some too. */
  readonly ranked: boolean;

  constructor(ranked = false) {
    this.ranked = ranked;
  }

  copy(): Model {
    const copy = new Model(this.ranked);
    for (const [name, versions] of this.names) copy.names.set(name, [...versions]);
    for (const [key, alias] of this.aliases) copy.aliases.set(key, alias);
    return copy;
  }

  live(): ModelVersion[] {
    return [...this.names.values()].flat().filter(({ deleted }) => !deleted);
  }

  save(name: string, value: string, sequence: number, tags: Record<string, string> = {}): void {
    const versions = this.names.get(name) ?? [];
    const saved = { name, version: versions.length, sequence, value, tags, deleted: false };
    this.names.set(name, [...versions, saved]);
  }

  change(name: string, version: number, change: Partial<ModelVersion>): void {
    const versions = [...this.names.get(name)!];
    versions[version] = { ...versions[version]!, ...change };
    this.names.set(name, versions);
  }

  setAlias(name: string, alias: string, version: number): void {
    this.aliases.set(`${name}@${alias}`, { name, version });
  }

  /** With its aliases. */
  delete(name: string, version: number): void {
    const removed = this.aliasesOf(name, version);
    this.change(name, version, { deleted: true, ...(removed.length > 0 && { removed }) });
    for (const [key, alias] of this.aliases)
      if (alias.name === name && alias.version === version) this.aliases.delete(key);
  }

  deleted(): ModelVersion[] {
    return [...this.names.values()].flat().filter(({ deleted, forgotten }) => deleted && !forgotten);
  }

  /** What goes where one version of a name is to stay. */
  prunable(name: string): ModelVersion[] {
    const live = (this.names.get(name) ?? []).filter(({ deleted }) => !deleted).slice(0, -1);
    return live.filter(({ version }) => this.aliasesOf(name, version).length === 0);
  }

  prune(name: string): void {
    for (const { version } of this.prunable(name)) this.change(name, version, { deleted: true });
  }

  /** The first and the newest version of a name stay, so that no number is given again. */
  forgettable(): ModelVersion[] {
    return this.deleted().filter(({ name, version }) => {
      const { length } = this.names.get(name)!;
      return version > 0 && version < length - 1;
    });
  }

  forget(): void {
    for (const { name, version } of this.forgettable()) this.change(name, version, { forgotten: true });
  }

  /** With the aliases that it had, where they are free. */
  undelete(name: string, version: number): void {
    const { removed = [] } = this.names.get(name)![version]!;
    this.change(name, version, { deleted: false, removed: [] });
    for (const alias of removed)
      if (!this.aliases.has(`${name}@${alias}`)) this.setAlias(name, alias, version);
  }

  aliasesOf(name: string, version: number): string[] {
    return [...this.aliases]
      .filter(([, alias]) => alias.name === name && alias.version === version)
      .map(([key]) => key.slice(name.length + 1))
      .sort();
  }
}

/** A version, and the aliases that it has. */
export interface Shown {
  version: ModelVersion;
  aliases: readonly string[];
}

/** One line for each version: what can be told of it from outside. */
function lineOf({ version: shownVersion, aliases }: Shown, number: number): string {
  const { name, version, value, tags, deleted } = shownVersion;
  const shown = Object.entries(tags)
    .sort()
    .map(([key, tag]) => `${key}=${tag}`);
  return deleted
    ? `${name}:${version} deleted`
    : `${name}:${version} #${number} [${shown}] (${[...aliases].sort()}) ${short(value)}`;
}

/** Long values by their length and digest, so that differences can be read. */
function short(value: string): string {
  if (value.length <= 40) return value;
  const digest = createHash("sha256").update(value).digest("base64url");
  return `${value.slice(0, 20)}… ${value.length} ${digest}`;
}

/** A state that the store may be in: what a change made of the one before. */
export class StateNode {
  readonly model: Model;
  readonly sequence: number;
  readonly parent: StateNode | undefined;
  #text: string | undefined;

  constructor(model: Model, sequence: number, parent: StateNode | undefined) {
    this.model = model;
    this.sequence = sequence;
    this.parent = parent;
  }

  get text(): string {
    this.#text ??= describe(
      this.sequence,
      [...this.model.names.values()]
        .flat()
        .filter(({ forgotten }) => !forgotten)
        .map((version) => ({ version, aliases: this.model.aliasesOf(version.name, version.version) })),
      this.model.ranked,
    );
    return this.#text;
  }

  /** This one and those before it. */
  *past(): Generator<StateNode> {
    for (let node: StateNode | undefined = this; node; node = node.parent) yield node;
  }

  /** What comes of it by one batch. */
  next(change: Change): StateNode {
    const model = this.model.copy();
    change(model, this.sequence + 1);
    return new StateNode(model, this.sequence + 1, this);
  }
}

export type Change = (model: Model, sequence: number) => void;

/** @param ranked whether numbers of operations only tell which came first */
export function describe(sequence: number, shown: readonly Shown[], ranked: boolean): string {
  const live = shown.filter(({ version }) => !version.deleted).map(({ version }) => version.sequence);
  const order = [...new Set(live)].sort((a, b) => a - b);
  const numberOf = (number: number) => (ranked ? order.indexOf(number) : number);
  const lines = shown.map((each) => lineOf(each, numberOf(each.version.sequence)));
  return [ranked ? "in order" : `#${sequence}`, ...lines.sort()].join("\n");
}

/** One call that changes the store. */
export interface Attempt {
  nodes: StateNode[];
}

/**
 * What a store may hold by now, given all that was told so far. A call that is under way may have taken effect or not;
 * what was acknowledged durable, or given to a reader, must have.
 */
export class History {
  possible: StateNode[];
  /** Where the next change begins: more than one after a call whose outcome is unknown. */
  #tips: StateNode[];
  readonly violations: string[] = [];
  /** A sync has deceived somebody, see `DiskHooks`: for now nothing is certain that is said to be durable. */
  isDeceived = false;

  /** @param ranked as in `Model` */
  constructor(ranked = false) {
    this.possible = [new StateNode(new Model(ranked), 0, undefined)];
    this.#tips = this.possible;
  }

  get tip(): StateNode {
    return this.#tips.at(-1)!;
  }

  /** A call begins. Without faults each follows the one before, whether that has returned or not. */
  attempt(change: Change): Attempt {
    const nodes = this.#tips.map((tip) => tip.next(change));
    this.possible = [...this.possible, ...nodes];
    this.#tips = nodes;
    return { nodes };
  }

  /** It returned; `artifact` is what it gave. */
  succeeded({ nodes }: Attempt, durable: boolean, artifact?: Artifact): void {
    const right = nodes.filter((node) => !artifact || holds(node.model, artifact));
    // Others that were called later may have been acknowledged before.
    const known = right.filter((node) => this.possible.some((each) => includesAny(each.past(), [node])));
    if (known.length === 0) {
      const found = artifact ? `${artifact.ref} as operation ${artifact.sequence}` : "an acknowledgement";
      this.violations.push(`${found} was given, which agrees with nothing that was known before`);
      return;
    }
    const fits = (node: StateNode) => includesAny(node.past(), known);
    const before = new Set(durable && !this.isDeceived ? [] : known.flatMap((node) => [...node.past()]));
    this.#keep((node) => before.has(node) || fits(node));
    this.#tips = this.#tips.filter(fits);
  }

  /** It failed, and nothing of it was to be left. */
  refused({ nodes }: Attempt): void {
    this.#tips = [...new Set(nodes.map((node) => node.parent!))];
    this.possible = this.possible.filter((node) => !includesAny(node.past(), nodes));
  }

  /** It failed, and nobody can know. Whatever is not certain may be lost now. */
  doubtful(): void {
    this.#tips = this.possible;
  }

  /** A reader was given this: every state must have it now, or have had it. */
  given(what: string, fits: (model: Model) => boolean): void {
    if (this.isDeceived) return;
    this.#keep((node) => {
      for (const each of node.past()) if (fits(each.model)) return true;
      return false;
    }, what);
  }

  /**
   * The store was opened and looked at when nothing was under way: it is in this state. A call of unknown outcome that
   * does not show may still take effect, with the next write or after a reboot.
   */
  observed(text: string): void {
    this.#keep((node) => {
      for (const each of node.past()) if (each.text === text) return true;
      return false;
    }, `after opening:\n${text}`);
    this.#tips = this.possible;
  }

  #keep(fits: (node: StateNode) => boolean, what = "an acknowledgement"): void {
    const kept = this.possible.filter(fits);
    if (kept.length > 0) this.possible = kept;
    else this.violations.push(`a reader was given what no state has: ${what}`);
    this.#tips = this.#tips.filter((tip) => this.possible.includes(tip));
    if (this.#tips.length === 0) this.#tips = this.possible;
  }
}

function includesAny(nodes: Iterable<StateNode>, wanted: readonly StateNode[]): boolean {
  for (const node of nodes) if (wanted.includes(node)) return true;
  return false;
}

/** Whether the model has exactly this version. */
export function holds(model: Model, { name, version, sequence, tags }: Artifact): boolean {
  const found = model.names.get(name)?.[version];
  if (!found || (!model.ranked && found.sequence !== sequence)) return false;
  const own = Object.entries(found.tags);
  return own.length === Object.keys(tags).length && own.every(([key, tag]) => tags[key] === tag);
}
