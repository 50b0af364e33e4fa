import type { PrunePolicy } from "./api.ts";
import { checkNames, invalid, printed, wholeNumber } from "./argument.ts";
import { type Glob, parseGlob } from "./glob.ts";
import { copyTags } from "./metadata.ts";

/** A prune policy, checked and taken apart. */
export interface TakenPolicy {
  name: Glob | undefined;
  keepName: Glob | undefined;
  /** All must be there. */
  tags: [key: string, value: string][];
  /** Any of them protects. */
  keepTags: [key: string, value: string][];
  keepLast: number;
  /** Milliseconds since 1970: only what was saved before. */
  before: number;
  /** Whether `before` was reckoned from the clock. */
  byClock: boolean;
  maxSize: number | undefined;
  /** Nothing but `maxSize` says what goes. */
  onlyMaxSize: boolean;
}

const LETTING_GO = ["name", "tags", "keepLast", "olderThan", "maxSize"] as const;
const KEEPING = ["keepTags", "keepName"] as const;
const ITEMS: readonly string[] = [...LETTING_GO, ...KEEPING];
/** What the items that let something go are called on the command line. */
const OPTIONS = "--tag, --keep-last, --older-than, --max-size";

const MILLISECONDS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/**
 * @param now milliseconds since 1970
 * @throws INVALID_ARGUMENT
 */
export function takePolicy(policy: PrunePolicy, now: number): TakenPolicy {
  checkItems(policy);
  const { name, keepName, keepLast, olderThan, maxSize } = policy;
  const age = olderThan === undefined || olderThan instanceof Date ? undefined : takeAge(olderThan);
  const before = olderThan instanceof Date ? takeDate(olderThan) : age === undefined ? undefined : now - age;
  return {
    name: name === undefined ? undefined : parseGlob(name),
    keepName: keepName === undefined ? undefined : parseGlob(keepName),
    tags: Object.entries(copyTags(policy.tags) ?? {}),
    keepTags: Object.entries(copyTags(policy.keepTags) ?? {}),
    keepLast: keepLast === undefined ? 0 : wholeNumber(keepLast, "keepLast"),
    before: before ?? Number.POSITIVE_INFINITY,
    byClock: age !== undefined,
    maxSize: maxSize === undefined ? undefined : wholeNumber(maxSize, "maxSize"),
    onlyMaxSize: !LETTING_GO.some((item) => item !== "maxSize" && isGiven(policy, item)),
  };
}

/** Whether tags let a version go, and whether they protect it. */
export function judgeTags(
  { tags: wanted, keepTags }: Pick<TakenPolicy, "tags" | "keepTags">,
  tags: Record<string, string> = {},
): { goes: boolean; protects: boolean } {
  const has = ([key, value]: [string, string]) => Object.hasOwn(tags, key) && tags[key] === value;
  return { goes: wanted.every(has), protects: keepTags.some(has) };
}

function checkItems(policy: PrunePolicy): void {
  if (typeof policy !== "object" || policy === null)
    throw invalid("a prune policy must be an object", 'for example { keepLast: 10, olderThan: "30d" }');
  checkNames(policy, ITEMS, "a prune policy has no item");
  if (LETTING_GO.some((item) => isGiven(policy, item))) return;
  throw invalid(
    "the prune policy doesn't say what may go",
    `give at least one of ${LETTING_GO.join(", ")}; on the command line a pattern, or one of ${OPTIONS}`,
  );
}

/** No tags let everything go, so they say nothing. */
function isGiven(policy: PrunePolicy, item: (typeof LETTING_GO)[number]): boolean {
  return (item === "tags" ? copyTags(policy.tags) : policy[item]) !== undefined;
}

function takeDate(date: Date): number {
  if (!Number.isNaN(date.getTime())) return date.getTime();
  throw invalid("olderThan is an invalid Date", 'for example olderThan: "30d"');
}

/** Milliseconds of `30d`, `12h`, `90m`, `2w` or `45s`, or of a number of them. */
function takeAge(age: unknown): number {
  const [, amount, unit] = typeof age === "string" ? (/^(\d+(?:\.\d+)?)([smhdw])$/.exec(age) ?? []) : [];
  const milliseconds = unit === undefined ? age : Number(amount) * MILLISECONDS[unit]!;
  if (typeof milliseconds === "number" && milliseconds >= 0 && Number.isFinite(milliseconds))
    return milliseconds;
  throw invalid(
    `not an age: ${printed(age)}`,
    "for example 30d, 12h, 90m or 2w (m: minutes); in a program also milliseconds, or a Date",
  );
}
