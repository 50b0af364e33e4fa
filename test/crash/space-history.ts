import { checkAliases } from "./space-aliases.ts";
import type { Contents, Findings, Given, Operation } from "./space-events.ts";
import { KnownVersions, savesOf } from "./space-versions.ts";

/** All that was noted of one home. */
export interface SpaceHistory {
  operations: Operation[];
  findings: Findings;
  /** How long a call may take; microseconds. */
  callMicrosecondsMax: number;
  /** Processes were stopped for so long that others took them for gone: a reader may be told to begin again. */
  longStops: boolean;
  /** The store deletes what it must to keep its size, but for what has an alias. */
  isCapped?: boolean;
}

/** What in a history can't have happened in a store that keeps its promises, one line each. */
export function checkSpaceHistory(history: SpaceHistory): string[] {
  const { findings } = history;
  // What the last process undeleted belongs to the history too.
  const operations = [...history.operations, ...findings.undeletes].sort((a, b) => a.from - b.from);
  const { live, deleted } = findings.contents;
  const known = new KnownVersions(operations, [...live.map(refOf), ...deleted], history.isCapped);
  const all = { ...history, operations };
  return [
    ...checkGiven(all, known),
    ...checkNumbers(all),
    ...operations.flatMap((operation) => checkOperation(operation, known)),
    ...checkAliases(operations, findings, known),
    ...checkContents(findings.contents, findings.from, findings.from, "in the end", known),
    ...checkGaps(findings, known),
    ...checkBackups(all, known),
    ...checkFailures(all),
    ...findings.violations,
  ];
}

const refOf = ({ name, version }: { name: string; version: number }) => `${name}:${version}`;

/** Whatever anybody was given is what somebody saved, with its own bytes. */
function checkGiven({ operations, findings, longStops }: SpaceHistory, known: KnownVersions): string[] {
  const wrong: string[] = [];
  const check = (given: Given, at: number, who: string) => {
    const { name, version, id, value, code } = given;
    if (id === undefined && !known.get(name, version)) return;
    if (id !== undefined && !known.found(name, version, id, at)) {
      const other = known.get(name, version)?.saved.id;
      const saved = other === undefined ? "nobody had saved it" : `it was given to ${other}`;
      wrong.push(`wrong: ${who} was given ${id} as ${name}:${version}, but ${saved}`);
      return;
    }
    const { saved } = known.get(name, version)!;
    if (id !== undefined && code !== saved.code)
      wrong.push(
        `wrong: ${name}:${version} has the code ${code} for ${who}, and was saved with ${saved.code}`,
      );
    // Who was taken for gone is not waited for.
    const mayBeGone = longStops && known.mayBeCompacted(known.get(name, version)!, at);
    if (typeof value !== "string" && mayBeGone && value.wrong.startsWith("NOT_FOUND")) return;
    if (typeof value !== "string") wrong.push(`lost: ${name}:${version} (${id}) of ${who}: ${value.wrong}`);
    else if (value !== saved.value)
      wrong.push(`wrong: ${who} was given ${value} as ${name}:${version}, which is ${saved.value}`);
  };
  for (const { who, to, result } of operations)
    for (const given of result?.given ?? []) check(given, to, who);
  for (const given of findings.contents.live) check(given, findings.from, "the last reader");
  for (const { folder, contents } of findings.backups)
    for (const given of contents?.live ?? []) check(given, findings.from, `the backup ${folder}`);
  return wrong;
}

/** A number, and a place in the order, is given once; later saves get later ones. */
function checkNumbers({ operations }: SpaceHistory): string[] {
  const wrong: string[] = [];
  const owners = new Map<string, string>();
  for (const { call, result } of operations) {
    savesOf(call).forEach(({ name, id }, i) => {
      const saved = result?.saved?.[i];
      if (!saved) return;
      const ref = `${name}:${saved.version}`;
      const owner = owners.get(ref);
      if (owner !== undefined) wrong.push(`duplicate: ${ref} was given to ${owner} and to ${id}`);
      owners.set(ref, id);
    });
  }
  return wrong;
}

function checkOperation(operation: Operation, known: KnownVersions): string[] {
  const { call } = operation;
  if (call.call === "load") return checkLoad(operation, call, known);
  if (call.call === "held") return checkHeld(operation, call, known);
  if (call.call === "list") return checkList(operation, known);
  if (call.call === "undelete") return checkUndelete(operation, call, known);
  if (call.call === "delete" && call.version !== "all")
    return checkLoad(operation, { name: call.name, version: call.version }, known);
  return [];
}

type Version = { name: string; version: number };

/** A load, or another call that needs a live version. */
function checkLoad(operation: Operation, { name, version }: Version, known: KnownVersions): string[] {
  const { who, from, to, result, call } = operation;
  const of = known.get(name, version);
  if (!of || !result) return [];
  const ref = `${name}:${version}`;
  if (result.error?.code === "NOT_FOUND" && known.isLive(of, from, to))
    return [`lost: ${call.call} of ${ref} by ${who} when it was live: ${result.error.message}`];
  if (!result.error && known.isDeleted(of, from, to))
    return [`deleted: ${call.call} of ${ref} by ${who} found it behind its deletion`];
  return [];
}

/** What a reader holds of a version goes only when that was deleted, and compacted away, since. */
function checkHeld(
  { who, to, result }: Operation,
  { name, version, since }: Version & { since: number },
  known: KnownVersions,
): string[] {
  const of = known.get(name, version);
  if (!of || result?.error?.code !== "NOT_FOUND") return [];
  const deleted = of.deletes.some((deletion) => deletion.to > since && deletion.from < to);
  if (deleted && known.mayBeCompacted(of, to)) return [];
  return [`lost: ${who} holds ${name}:${version}, which nobody compacted away: ${result.error.message}`];
}

/** A list is one state, of a moment between its call and its first one: everything live is in it, nothing deleted. */
function checkList({ who, from, to, result }: Operation, known: KnownVersions): string[] {
  if (!result || result.error) return [];
  const listed = new Set(result.given!.map(refOf));
  return differences(listed, from, result.began ?? to, `a list of ${who}`, known);
}

function differences(
  listed: Set<string>,
  from: number,
  to: number,
  where: string,
  known: KnownVersions,
): string[] {
  const wrong: string[] = [];
  for (const version of known.all) {
    const ref = `${version.name}:${version.version}`;
    if (!listed.has(ref) && known.isLive(version, from, to))
      wrong.push(`lost: ${ref} (${version.saved.id}) is not in ${where}`);
    if (listed.has(ref) && known.isDeleted(version, from, to))
      wrong.push(`deleted: ${ref} (${version.saved.id}) is in ${where}`);
  }
  return wrong;
}

function checkUndelete({ who, from, to, result }: Operation, call: Version, known: KnownVersions): string[] {
  const of = known.get(call.name, call.version);
  if (!of || result?.error?.code !== "NOT_FOUND") return [];
  const ref = `${call.name}:${call.version}`;
  if (known.isLive(of, from, to)) return [`lost: ${who} can't undelete ${ref}, which is live`];
  if (known.mayBeCompacted(of, to)) return [];
  return [`lost: ${who} can't undelete ${ref}, which nobody compacted away: ${result.error.message}`];
}

function checkContents(
  contents: Contents,
  from: number,
  to: number,
  where: string,
  known: KnownVersions,
): string[] {
  const listed = new Set(contents.live.map(refOf));
  return differences(listed, from, to, where, known);
}

/** Deleted versions keep their place in the order of numbers, unless history was forgotten. */
function checkGaps({ contents, from }: Findings, known: KnownVersions): string[] {
  const wrong: string[] = [];
  const refs = new Set([...contents.live.map(refOf), ...contents.deleted]);
  for (const ref of refs) {
    const colon = ref.lastIndexOf(":");
    const [name, version] = [ref.slice(0, colon), Number(ref.slice(colon + 1)) - 1];
    const before = `${name}:${version}`;
    if (version < 0 || refs.has(before)) continue;
    const of = known.get(name, version);
    if (of ? known.mayBeForgotten(of, from) : known.forgets) continue;
    wrong.push(`lost: ${ref} is there, and ${before} is not`);
  }
  return wrong;
}

/**
 * A backup is one state of a moment while it was made. One that was broken off leaves that, or the one before it, where
 * there was one.
 */
function checkBackups({ operations, findings }: SpaceHistory, known: KnownVersions): string[] {
  return findings.backups.flatMap(({ folder, contents, failed }) => {
    const made = operations.filter(({ call }) => call.call === "backup" && call.folder === folder);
    const last = made.findLast(({ result }) => result && !result.error);
    // One that was broken off at its first time is no store yet.
    if (!last) return contents || made.some(({ to }) => to === Number.POSITIVE_INFINITY) ? [] : [failed!];
    if (!contents) return [`lost: the backup ${folder} can't be read: ${failed}`];
    const to = Math.min(findings.from, made.at(-1)!.to);
    return checkContents(contents, last.from, to, `the backup ${folder}`, known);
  });
}

/** Calls that look for one version, or alias. */
const LOOKING = new Set([
  "delete",
  "undelete",
  "annotate",
  "setAlias",
  "deleteAlias",
  "load",
  "loadAlias",
  "held",
]);

const UNREACHABLE = /can't be brought down to|would delete all/;

function checkFailures({ operations, longStops, isCapped, callMicrosecondsMax }: SpaceHistory): string[] {
  return operations.flatMap(({ who, call, from, to, result }) => {
    if (call.call === "warned" && isCapped && /maxSize/.test(call.message)) return [];
    // Compaction makes one void that is being taken.
    if (call.call === "warned" && call.message.startsWith("no checkpoint of the index could be taken"))
      return [];
    if (call.call === "warned") return [`warned: ${who}: ${call.message}`];
    const name = `${call.call} of ${who}`;
    if (result && to - from > callMicrosecondsMax)
      return [`${name} took ${Math.round((to - from) / 1000)} ms`];
    if (!result?.error) return [];
    const { code, message } = result.error;
    if (code === "NOT_FOUND" && LOOKING.has(call.call)) return [];
    // Aliases protect, and one at a time compacts, or backs up to a folder.
    if (code === "CONFLICT" && ["delete", "prune", "compact", "backup"].includes(call.call)) return [];
    // A policy can be asking for what can't be.
    if (code === "INVALID_ARGUMENT" && call.call === "prune" && UNREACHABLE.test(message)) return [];
    if (code === "UNAVAILABLE" && longStops) return [];
    return [`failed: ${name}: ${code} ${message}`];
  });
}
