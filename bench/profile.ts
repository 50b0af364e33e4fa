/** What took longest, from the profiles that Node.js writes. */

import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { digits, tableLines } from "../cli/bench/text.ts";

interface ProfileNode {
  id: number;
  callFrame: { functionName: string; url: string; lineNumber: number };
  children?: number[];
}

export interface CpuProfile {
  nodes: ProfileNode[];
  samples: number[];
  /** Microseconds since the sample before. */
  timeDeltas: number[];
}

/** Shares of the time that the thread was not idle. */
export interface Cost {
  what: string;
  /** In the function itself. */
  own: number;
  /** In the function and what it calls. */
  total: number;
}

const IDLE = new Set(["(idle)", "(program)", "(root)"]);
const COSTS = 25;

/** The costliest first, by own time or by total. */
export function costsOf(profile: CpuProfile, by: "own" | "total"): Cost[] {
  const own = ownTimes(profile);
  const costs = new Map<string, Cost>();
  let all = 0;
  visit(profile.nodes, (node, callers) => {
    const time = own.get(node.id) ?? 0;
    const what = nameOf(node);
    if (IDLE.has(what)) return;
    all += time;
    costOf(costs, what).own += time;
    for (const each of new Set([...callers, what])) costOf(costs, each).total += time;
  });
  return [...costs.values()]
    .map(({ what, own: ownTime, total }) => ({ what, own: ownTime / all, total: total / all }))
    .sort((one, other) => other[by] - one[by]);
}

function costOf(costs: Map<string, Cost>, what: string): Cost {
  const known = costs.get(what);
  if (known) return known;
  const made = { what, own: 0, total: 0 };
  costs.set(what, made);
  return made;
}

function ownTimes({ samples, timeDeltas }: CpuProfile): Map<number, number> {
  const times = new Map<number, number>();
  samples.forEach((id, at) => {
    times.set(id, (times.get(id) ?? 0) + timeDeltas[at]!);
  });
  return times;
}

/** Each node with the names of its callers. */
function visit(nodes: ProfileNode[], each: (node: ProfileNode, callers: string[]) => void): void {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const open: { node: ProfileNode; callers: string[] }[] = [{ node: nodes[0]!, callers: [] }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { node, callers } = next;
    each(node, callers);
    const inner = IDLE.has(nameOf(node)) ? callers : [...callers, nameOf(node)];
    for (const id of node.children ?? []) open.push({ node: byId.get(id)!, callers: inner });
  }
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  if (url === "") return name;
  const file = url.replace(/^.*\/node_modules\//, "").replace(/^.*\/(engine|cli|bench)\//, "$1/");
  return `${name} ${file}:${lineNumber + 1}`;
}

/** The costs of each profile in the folder, by own time and by total. */
export async function profileLines(folder: string): Promise<string[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".cpuprofile")).sort();
  const parts = await Promise.all(
    files.map(async (file) => {
      const profile = JSON.parse(await readFile(join(folder, file), "utf8")) as CpuProfile;
      const tables = (["own", "total"] as const).flatMap((by) => [
        `  by ${by} time`,
        ...costLines(profile, by),
      ]);
      return ["", basename(file, ".cpuprofile"), ...tables];
    }),
  );
  return parts.flat();
}

function costLines(profile: CpuProfile, by: "own" | "total"): string[] {
  const percent = (share: number): string => `${digits(share * 100)} %`.padStart(8);
  const costs = costsOf(profile, by).slice(0, COSTS);
  return tableLines(
    [
      ["     own", "   total", ""],
      ...costs.map(({ what, own, total }) => [percent(own), percent(total), what]),
    ],
    "left",
  ).map((line) => `    ${line}`);
}
