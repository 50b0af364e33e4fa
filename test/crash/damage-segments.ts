/** Segments of a log that are missing, doubled, swapped, or something else altogether. */
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { SegmentHeader } from "../../engine/log/format.ts";
import { decodeSegmentHeader, encodeSegmentHeader, FORMAT_VERSION } from "../../engine/log/format.ts";
import { segmentFileName } from "../../engine/log/segment.ts";
import { segmentsOf } from "../helpers/damage.ts";
import { Random } from "../helpers/random.ts";
import { examine } from "./damage-examine.ts";
import type { Witness } from "./damage-open.ts";
import { OpenTrials, WITNESSES } from "./damage-open.ts";
import type { Harness, HarnessResult } from "./harness.ts";

export interface SegmentDamage {
  what: string;
  /** @param segments paths of the segments, the first first */
  apply(segments: string[], random: Random): void;
  /** Codes with which the store may refuse to open; default: it must open. */
  mayRefuse?: readonly string[];
  /** Codes with which any call may fail. */
  mayFail?: readonly string[];
}

/** What can't be read may be whole: the store can say so, but must not go on as if it were lost. */
const UNREADABLE = { mayRefuse: ["CORRUPTION", "IO"], mayFail: ["IO"] };

const pick = (segments: string[], random: Random) => segments[random.below(segments.length)]!;
/** The name behind that of the last segment. */
const behind = (segments: string[], by = 1) =>
  join(dirname(segments[0]!), segmentFileName(Number.parseInt(basename(segments.at(-1)!), 10) + by));
const kept = (path: string) => join(dirname(dirname(dirname(path))), `kept-${basename(path)}`);

function swap(a: string, b: string): void {
  renameSync(a, `${a}.swap`);
  renameSync(b, a);
  renameSync(`${a}.swap`, b);
}

function remove(paths: string[]): void {
  for (const path of paths) rmSync(path);
}

function empty(path: string): void {
  writeFileSync(path, "");
}

/** Everything but those of `other`: segments of another store of the same shape. */
export function segmentDamages(other: Map<string, Buffer>): SegmentDamage[] {
  const foreign = [...other.values()];
  return [
    { what: "nothing", apply: () => {} },
    { what: "a copy under the next number", apply: (all, random) => cpSync(pick(all, random), behind(all)) },
    {
      what: "a copy under a far number",
      apply: (all, random) => cpSync(pick(all, random), behind(all, 1000)),
    },
    {
      what: "a copy under the greatest number",
      apply: (all, random) => cpSync(pick(all, random), join(dirname(all[0]!), "9999999999.varve")),
    },
    { what: "the first missing", apply: (all) => rmSync(all[0]!) },
    { what: "one in the middle missing", apply: (all, random) => rmSync(pick(all.slice(1, -1), random)) },
    { what: "the last missing", apply: (all) => rmSync(all.at(-1)!) },
    { what: "the last two missing", apply: (all) => remove(all.slice(-2)) },
    { what: "all but the last missing", apply: (all) => remove(all.slice(0, -1)) },
    { what: "two swapped", apply: (all, random) => swap(all[0]!, pick(all.slice(1), random)) },
    { what: "the last two swapped", apply: (all) => swap(all.at(-1)!, all.at(-2)!) },
    {
      what: "one replaced by that of another store",
      apply: (all, random) => writeFileSync(pick(all.slice(1), random), foreign[1]!),
    },
    {
      what: "the first replaced by that of another store",
      apply: (all) => writeFileSync(all[0]!, foreign[0]!),
      mayRefuse: ["CORRUPTION"],
    },
    {
      what: "one of another store under the next number",
      apply: (all) => writeFileSync(behind(all), foreign[1]!),
    },
    {
      what: "one of a newer format behind",
      apply: (all) => writeFileSync(behind(all), newer(other, behind(all))),
      mayRefuse: ["NOT_SUPPORTED"],
      mayFail: ["NOT_SUPPORTED"],
    },
    { what: "one empty", apply: (all, random) => empty(pick(all, random)) },
    { what: "the last empty", apply: (all) => empty(all.at(-1)!) },
    { what: "an empty one behind", apply: (all) => empty(behind(all)) },
    { what: "half a header behind", apply: (all) => writeFileSync(behind(all), foreign[0]!.subarray(0, 60)) },
    {
      what: "a folder in place of one",
      apply: replaceBy((path) => mkdirSync(path)),
      ...UNREADABLE,
    },
    {
      what: "a folder in place of the last",
      apply: replaceLastBy((path) => mkdirSync(path)),
      ...UNREADABLE,
    },
    {
      what: "a folder under the next number",
      apply: (all) => mkdirSync(behind(all)),
      ...UNREADABLE,
    },
    { what: "a link to one that is elsewhere", apply: replaceBy((path) => symlinkSync(kept(path), path)) },
    { what: "a link to nothing", apply: replaceBy((path) => symlinkSync("nowhere", path)) },
    {
      what: "a link to itself",
      apply: replaceBy((path) => symlinkSync(path, path)),
      ...UNREADABLE,
    },
    { what: "other files among them", apply: (all) => strayFiles(dirname(all[0]!)) },
  ];
}

function replaceBy(make: (path: string) => void): SegmentDamage["apply"] {
  return (all, random) => {
    const path = pick(all, random);
    rmSync(kept(path), { force: true });
    renameSync(path, kept(path));
    make(path);
  };
}

function replaceLastBy(make: (path: string) => void): SegmentDamage["apply"] {
  return (all) => replaceBy(make)(all.slice(-1), new Random("the last", 0));
}

function newer(other: Map<string, Buffer>, path: string): Buffer {
  const bytes = [...other.values()][0]!;
  const header = decodeSegmentHeader(bytes, path);
  return encodeSegmentHeader({
    ...header,
    number: Number.parseInt(basename(path), 10),
    formatVersion: FORMAT_VERSION + 1,
  });
}

function strayFiles(folder: string): void {
  for (const name of [
    "notes.txt",
    "0000000001.varve.bak",
    "1.varve",
    "00000000010.varve",
    ".DS_Store",
    "new-zzz.tmp",
    "new-0123456789ab.tmp",
  ])
    writeFileSync(join(folder, name), name);
  mkdirSync(join(folder, "sub"));
  mkdirSync(join(folder, "new-abcdefabcdef.tmp"));
  symlinkSync("nowhere", join(folder, "link"));
}

/** Undefined where there is none that is whole. */
function headerOf(path: string): SegmentHeader | undefined {
  try {
    return decodeSegmentHeader(readFileSync(path), path);
  } catch {
    return undefined;
  }
}

/** Applies one damage to a store with one witness, and uses the store. */
export async function trySegments(
  trials: OpenTrials,
  damage: SegmentDamage,
  witness: Witness,
  random: Random,
  readOnly = false,
): Promise<{ violations: string[]; twice: string[]; outcome: string }> {
  const home = trials.put(witness, (_, bytes) => bytes);
  try {
    const last = segmentsOf(home).at(-1)!;
    const { storeId } = headerOf(last)!;
    damage.apply(segmentsOf(home), random);
    // The same bytes are there when another store's segment got behind a log that lost nothing: they can't tell which
    // of the two it was, and a file that does not belong into the log is to leave no gap in the numbers.
    const endUnknown = witness === "nothing" && (headerOf(last)?.storeId ?? storeId) !== storeId;
    const { mayRefuse = [], mayFail = [] } = damage;
    const witnessed = witness !== "nothing";
    const options = { mayRefuse, mayFail, witnessed, endUnknown, again: true, readOnly };
    const { violations, twice, outcome } = await examine(home, trials.pair.expected, options);
    const where = `${damage.what}, ${witness}${readOnly ? ", read-only" : ""}: `;
    return {
      violations: violations.map((text) => where + text),
      twice: twice.map((text) => where + text),
      outcome,
    };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function tryAllSegments(
  trials: OpenTrials,
  other: OpenTrials,
  random: Random,
  until: number,
): Promise<HarnessResult> {
  const counts: Record<string, number> = { trials: 0, "refused to open": 0, "numbers given twice": 0 };
  const violations: string[] = [];
  const damages = segmentDamages(other.pair.closed.files);
  do {
    for (const damage of damages) {
      for (const witness of WITNESSES) {
        const found = await trySegments(trials, damage, witness, random, random.next() < 0.3);
        counts.trials!++;
        counts["numbers given twice"]! += found.twice.length;
        if (found.outcome !== "opened") counts["refused to open"]!++;
        violations.push(...found.violations, ...found.twice.map((text) => `given twice: ${text}`));
      }
    }
  } while (Date.now() < until);
  return { counts, violations };
}

export const segments: Harness = {
  name: "damage-segments",
  run: ({ seed, until }) =>
    OpenTrials.during(1200, (trials) =>
      OpenTrials.during(1200, (other) => tryAllSegments(trials, other, new Random("segments", seed), until)),
    ),
};
