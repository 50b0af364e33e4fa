/** What differs between two structured values, path by path. */

import { isDeepStrictEqual } from "node:util";
import { isWhole, type Side, sideOf } from "./side.ts";

/** Changes that are told; the others are only counted. */
export const CHANGES_MAX = 1_000;

export interface Change {
  /** Such as `value.layers[2].units`. */
  readonly path: string;
  /** Absent: only the second has it. */
  readonly from?: Side;
  /** Absent: only the first has it. */
  readonly to?: Side;
}

export interface Changes {
  readonly count: number;
  /** The first of them. */
  readonly changes: Change[];
}

type Properties = Record<string, unknown>;

const ABSENT = Symbol("absent");

/** With `keyOrder`, the order of an object's keys is a difference too, told under the path `Object.keys(…)`. */
export function changesBetween(
  from: unknown,
  to: unknown,
  path: string,
  { keyOrder = false }: { keyOrder?: boolean } = {},
): Changes {
  const comparison = new Comparison(keyOrder);
  comparison.compare(from, to, path);
  return { count: comparison.count, changes: comparison.changes };
}

class Comparison {
  readonly changes: Change[] = [];
  count = 0;
  readonly #keyOrder: boolean;

  constructor(keyOrder: boolean) {
    this.#keyOrder = keyOrder;
  }

  compare(from: unknown, to: unknown, path: string): void {
    if (Object.is(from, to)) return;
    const kind = kindOf(from);
    if (kind === "leaf" || kind !== kindOf(to)) this.#compareLeaves(from, to, path);
    else if (kind === "array") this.#compareArrays(from as unknown[], to as unknown[], path);
    else this.#compareObjects(from as Properties, to as Properties, path);
  }

  #compareLeaves(from: unknown, to: unknown, path: string): void {
    if (isSame(from, to)) return;
    this.#add(path, from, to);
  }

  #compareObjects(from: Properties, to: Properties, path: string): void {
    const shared = Object.keys(from).filter((key) => Object.hasOwn(to, key));
    for (const key of Object.keys(from)) {
      this.#comparePlaces(from[key], Object.hasOwn(to, key) ? to[key] : ABSENT, pathOfKey(path, key));
    }
    for (const key of Object.keys(to)) {
      if (!Object.hasOwn(from, key)) this.#add(pathOfKey(path, key), ABSENT, to[key]);
    }
    if (!this.#keyOrder) return;
    const sharedInTo = Object.keys(to).filter((key) => Object.hasOwn(from, key));
    if (shared.some((key, index) => key !== sharedInTo[index])) {
      this.#add(`Object.keys(${path})`, shared, sharedInTo);
    }
  }

  /** Items that both begin and end with are the same ones, so that something put in between changes no more than that. */
  #compareArrays(from: unknown[], to: unknown[], path: string): void {
    let start = 0;
    let end = 0;
    const length = Math.min(from.length, to.length);
    if (from.length !== to.length) {
      while (start < length && isSame(from[start], to[start])) start++;
      while (end < length - start && isSame(from.at(-1 - end), to.at(-1 - end))) end++;
    }
    const [fromEnd, toEnd] = [from.length - end, to.length - end];
    for (let index = start; index < Math.max(fromEnd, toEnd); index++) {
      const [a, b] = [index < fromEnd ? from[index] : ABSENT, index < toEnd ? to[index] : ABSENT];
      this.#comparePlaces(a, b, `${path}[${index}]`);
    }
  }

  #comparePlaces(from: unknown, to: unknown, path: string): void {
    if (from === ABSENT || to === ABSENT) this.#add(path, from, to);
    else this.compare(from, to, path);
  }

  #add(path: string, from: unknown, to: unknown): void {
    this.count++;
    if (this.count > CHANGES_MAX) return;
    this.changes.push({
      path,
      ...(from !== ABSENT && { from: sideOf(from) }),
      ...(to !== ABSENT && { to: sideOf(to) }),
    });
  }
}

/** Objects without a prototype are of another kind than those with one. */
function kindOf(value: unknown): "leaf" | "array" | "object" | "bare" {
  if (typeof value !== "object" || value === null || value instanceof Date || isWhole(value)) return "leaf";
  if (Array.isArray(value)) return "array";
  return Object.getPrototypeOf(value) === null ? "bare" : "object";
}

/** Of the same type and equal all the way down. In a `Map` or `Set` the order counts. */
function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Date && b instanceof Date) return Object.is(a.getTime(), b.getTime());
  if (a instanceof Map && b instanceof Map) return isDeepStrictEqual([...a], [...b]);
  if (a instanceof Set && b instanceof Set) return isDeepStrictEqual([...a], [...b]);
  return isDeepStrictEqual(a, b);
}

function pathOfKey(path: string, key: string): string {
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
}
