/** One of many: saves, loads, closes and opens at random until its time is up, and notes each call with its times. */
import { openSync, writeSync } from "node:fs";
import type { ArtifactStore } from "../../engine/api.ts";
import { openStore, VarveError } from "../../engine/main.ts";
import { Random } from "../helpers/random.ts";
import type { HistoryEvent } from "./many-history.ts";

/** The argument, as JSON. */
export interface ManyProgramOptions {
  home: string;
  /** Where it notes its calls. */
  history: string;
  who: string;
  seed: number;
  saves: boolean;
  durability: "durable" | "buffered";
  readOnly: boolean;
  names: number;
  lockWaitMax: number;
  /** Milliseconds since 1970. */
  until: number;
  /** Milliseconds; the clock of the store jumps among these. */
  clockShifts: number[];
  /** About how many calls it makes before it closes the store and opens it again. */
  callsPerOpen: number;
}

const options: ManyProgramOptions = JSON.parse(process.argv[2]!);
const { who } = options;
const random = new Random("many", options.seed);
const file = openSync(options.history, "a", 0o600);
const note = (event: HistoryEvent) => writeSync(file, `${JSON.stringify(event)}\n`);
const now = () => Number(process.hrtime.bigint() / 1000n);
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
let count = 0;
let clockShift = 0;

/** Notes a failure; what else is to be noted of a call the caller does. */
async function noting<T>(call: string, action: () => Promise<T>): Promise<T | undefined> {
  const from = now();
  try {
    return await action();
  } catch (error) {
    const { code, message } = error as VarveError;
    note({ what: "failed", who, call, from, to: now(), code: code ?? "no code", message });
    if (!(error instanceof VarveError)) throw error;
    return undefined;
  }
}

async function save(store: ArtifactStore): Promise<void> {
  const twins = random.below(10) === 0;
  const first = `n${random.below(options.names)}`;
  const names = twins ? [first, `${first}/twin`] : [first];
  const id = `${who}-${count++}`;
  const value = { id, pad: "x".repeat(random.below(random.below(30) === 0 ? 50_000 : 300)) };
  const from = now();
  for (const name of names) note({ what: "calls", who, name, id, from });
  await noting("save", async () => {
    const saved = twins
      ? await store.batch((batch) => names.forEach((name) => void batch.save(name, value)))
      : [await store.save(first, value)];
    const to = now();
    for (const { name, version, sequence } of saved)
      note({ what: "saved", who, name, id, from, to, version, sequence });
  });
}

async function load(store: ArtifactStore): Promise<void> {
  const name = `n${random.below(options.names)}${random.below(10) === 0 ? "/twin" : ""}`;
  // Within one turn of the event loop a reader may see a state that is 10 ms old.
  await nextTurn();
  const from = now();
  await noting("load", async () => {
    const found = await store.find(name);
    const value = found && (await found.value<{ id: string }>());
    note({ what: "loaded", who, name, from, to: now(), id: value?.id });
  });
}

async function open(): Promise<ArtifactStore | undefined> {
  const { home, durability, readOnly, lockWaitMax } = options;
  const from = now();
  const clock = () => new Date(Date.now() + clockShift);
  const settings = {
    home,
    durability,
    readOnly,
    lockWaitMax,
    clock,
    environment: false,
    minFreeSpace: 0,
  } as const;
  const store = await noting("open", () => openStore(settings));
  if (store) note({ what: "did", who, call: "open", from, to: now() });
  return store;
}

async function close(store: ArtifactStore): Promise<void> {
  const from = now();
  await noting("close", () => store.close());
  note({ what: "did", who, call: "close", from, to: now() });
}

async function work(store: ArtifactStore): Promise<void> {
  const calls = 1 + random.below(2 * options.callsPerOpen);
  for (let i = 0; i < calls && Date.now() < options.until; i++) {
    if (random.below(20) === 0) clockShift = options.clockShifts[random.below(options.clockShifts.length)]!;
    const action = options.saves && random.below(2) === 0 ? save : load;
    const atOnce = random.below(4) === 0 ? 1 + random.below(8) : 1;
    await Promise.all(Array.from({ length: atOnce }, () => action(store)));
    if (random.below(5) === 0) await new Promise((resolve) => setTimeout(resolve, random.below(10)));
  }
}

while (Date.now() < options.until) {
  const store = await open();
  if (!store) continue;
  await work(store);
  await close(store);
}
