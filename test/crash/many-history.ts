/** What a process of `many` noted of one call. Times are microseconds of the machine's monotonic clock. */
export type HistoryEvent =
  | { what: "calls"; who: string; name: string; id: string; from: number }
  | {
      what: "saved";
      who: string;
      name: string;
      id: string;
      from: number;
      to: number;
      version: number;
      sequence: number;
    }
  | { what: "loaded"; who: string; name: string; from: number; to: number; id: string | undefined }
  | { what: "did"; who: string; call: string; from: number; to: number }
  | { what: "failed"; who: string; call: string; from: number; to: number; code: string; message: string };

/** A version as it is there in the end. */
export interface FoundVersion {
  name: string;
  version: number;
  id: string;
  sequence: number;
  /** Milliseconds since 1970. */
  time: number;
}

/** While a process was stopped by the harness. */
export interface Stop {
  who: string;
  from: number;
  to: number;
}

export interface History {
  events: HistoryEvent[];
  found: FoundVersion[];
  stops: Stop[];
  /** How long a call may take beside the time its own process was stopped; microseconds. */
  callMicrosecondsMax: number;
}

type Saved = Extract<HistoryEvent, { what: "saved" }>;
type Loaded = Extract<HistoryEvent, { what: "loaded" }>;

/** What in a history can't have happened in a store that keeps its promises, one line each. */
export function checkHistory(history: History): string[] {
  return [
    ...checkFound(history),
    ...checkSaved(history),
    ...checkOrder(history),
    ...checkLoads(history),
    ...checkFailures(history),
    ...checkDurations(history),
  ];
}

const saves = ({ events }: History) => events.filter((event): event is Saved => event.what === "saved");
const loads = ({ events }: History) => events.filter((event): event is Loaded => event.what === "loaded");

/** What is there in the end: numbers without a gap, in the order of the log, times that never decrease, nothing twice. */
function checkFound({ found, events }: History): string[] {
  const wrong: string[] = [];
  const called = new Set(events.map((event) => event.what === "calls" && `${event.name} ${event.id}`));
  const seen = new Set<string>();
  const next = new Map<string, number>();
  let time = 0;
  for (const { name, version, id, ...rest } of [...found].sort((a, b) => a.sequence - b.sequence)) {
    const expected = next.get(name) ?? 0;
    next.set(name, expected + 1);
    if (version !== expected)
      wrong.push(`out of order: ${name}:${version} stands where ${expected} was expected`);
    if (seen.has(`${name} ${id}`)) wrong.push(`duplicate: ${id} is there again as ${name}:${version}`);
    seen.add(`${name} ${id}`);
    if (!called.has(`${name} ${id}`)) wrong.push(`wrong: nobody saved ${id}, which is ${name}:${version}`);
    if (rest.time < time)
      wrong.push(`the time of ${name}:${version} is before that of the version before it`);
    time = rest.time;
  }
  return wrong;
}

/** What was acknowledged is there in the end, as it was told. */
function checkSaved(history: History): string[] {
  const wrong: string[] = [];
  const found = new Map(history.found.map((each) => [`${each.name}:${each.version}`, each]));
  const owners = new Map<string, string>();
  for (const { name, version, id, sequence, who } of saves(history)) {
    const ref = `${name}:${version}`;
    const owner = owners.get(ref);
    if (owner !== undefined) wrong.push(`duplicate: ${ref} was given to ${owner} and to ${id}`);
    owners.set(ref, id);
    const there = found.get(ref);
    if (!there) wrong.push(`lost: ${ref} of ${id} (${who})`);
    else if (there.id !== id || there.sequence !== sequence)
      wrong.push(
        `wrong: ${ref} is ${there.id} at ${there.sequence}, and ${id} at ${sequence} was acknowledged`,
      );
  }
  return wrong;
}

/** A save that began behind the end of another one comes behind it in the log. */
function checkOrder(history: History): string[] {
  const wrong: string[] = [];
  const byEnd = saves(history).sort((a, b) => a.to - b.to);
  let ended = 0;
  let last: Saved | undefined;
  for (const save of saves(history).sort((a, b) => a.from - b.from)) {
    for (; ended < byEnd.length && byEnd[ended]!.to < save.from; ended++)
      if (byEnd[ended]!.sequence > (last?.sequence ?? 0)) last = byEnd[ended];
    if (last && save.sequence <= last.sequence)
      wrong.push(`out of order: ${save.id} got ${save.sequence} after ${last.id} had got ${last.sequence}`);
  }
  return wrong;
}

/**
 * A load gives the newest version of what was acknowledged to anybody, or given to anybody, before it began; or a newer
 * one; and nothing that nobody had begun to save.
 */
function checkLoads(history: History): string[] {
  const wrong: string[] = [];
  const versions = new Map(history.found.map(({ name, id, version }) => [`${name} ${id}`, version]));
  const begun = new Map(
    history.events.flatMap((event) =>
      event.what === "calls" ? [[`${event.name} ${event.id}`, event.from]] : [],
    ),
  );
  const versionOf = ({ name, id }: { name: string; id: string | undefined }) =>
    id === undefined ? -1 : versions.get(`${name} ${id}`);
  const known = [...saves(history), ...loads(history)].sort((a, b) => a.to - b.to);
  const newest = new Map<string, number>();
  let ended = 0;
  for (const load of loads(history).sort((a, b) => a.from - b.from)) {
    for (; ended < known.length && known[ended]!.to < load.from; ended++) {
      const each = known[ended]!;
      newest.set(each.name, Math.max(newest.get(each.name) ?? -1, versionOf(each) ?? -1));
    }
    const { who, name, id } = load;
    const version = versionOf(load);
    const least = newest.get(name) ?? -1;
    if (version === undefined)
      wrong.push(`lost: ${who} was given ${id} of ${name}, which is not there in the end`);
    else if (version < least)
      wrong.push(`stale: ${who} was given ${name}:${version} when ${least} was known`);
    if (id !== undefined && (begun.get(`${name} ${id}`) ?? Number.POSITIVE_INFINITY) > load.to)
      wrong.push(`wrong: ${who} was given ${id} of ${name} before anybody had saved it`);
  }
  return wrong;
}

/** Nothing fails; only a lock that a stopped process may hold can be waited for too long. */
function checkFailures({ events, stops }: History): string[] {
  return events.flatMap((event) => {
    if (event.what !== "failed") return [];
    const stopped = stops.some((stop) => overlap(stop, event) > 0);
    if (event.code === "UNAVAILABLE" && stopped) return [];
    return [`failed: ${event.call} of ${event.who}: ${event.code} ${event.message}`];
  });
}

function checkDurations({ events, stops, callMicrosecondsMax }: History): string[] {
  return events.flatMap((event) => {
    if (event.what === "calls") return [];
    const own = stops.filter(({ who }) => who === event.who);
    const stopped = own.reduce((sum, stop) => sum + overlap(stop, event), 0);
    const took = event.to - event.from - stopped;
    if (took <= callMicrosecondsMax) return [];
    return [`a call of ${event.who} took ${Math.round(took / 1000)} ms: ${JSON.stringify(event)}`];
  });
}

function overlap(a: { from: number; to: number }, b: { from: number; to: number }): number {
  return Math.max(0, Math.min(a.to, b.to) - Math.max(a.from, b.from));
}
