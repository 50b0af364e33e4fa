/** What the child processes of the benchmark of metadata databases do. */

import { type ArtifactStore, openStore } from "../../adapters/main.ts";
import { openMetadata } from "../../adapters/metadata/open.ts";
import { randomFrom } from "../../cli/bench/values.ts";
import type { MetadataTask } from "../task.ts";
import type { MetadataFigures, MetadataStep, ReadFigures } from "./figures.ts";
import { AT_ONCE, CALLERS, SLICES } from "./figures.ts";
import { openRaw, type Row, type Tables } from "./raw.ts";
import { nameAt, UnitSource } from "./units.ts";

type Step = (task: MetadataTask) => Promise<MetadataFigures>;

/** Connections that the adapter has at most. */
const CONNECTIONS = 10;

const seconds = (begin: number) => (performance.now() - begin) / 1_000;
const open = ({ url }: MetadataTask) => openMetadata(url, { create: true, readOnly: false });
const openBoth = ({ url, folder }: MetadataTask) => openStore({ home: folder, databaseUrl: url });

/** So many callers, each of whom waits for its own call. */
async function inFlight(
  callers: number,
  first: number,
  end: number,
  call: (index: number) => Promise<unknown>,
) {
  let next = first;
  const caller = async () => {
    while (next < end) await call(next++);
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

/** Warms up with the first `warm` ones, and times the others. */
async function timed(
  { warm, count }: MetadataTask,
  call: (index: number) => Promise<unknown>,
): Promise<MetadataFigures> {
  await inFlight(CALLERS, 0, warm, call);
  const begin = performance.now();
  await inFlight(CALLERS, warm, warm + count, call);
  return { count, seconds: seconds(begin) };
}

async function bind(task: MetadataTask): Promise<MetadataFigures> {
  await (await openBoth(task)).close();
  return { count: 0, seconds: 0 };
}

async function commitUnits(task: MetadataTask): Promise<MetadataFigures> {
  const metadata = await open(task);
  const units = new UnitSource(task.seed);
  // Made beforehand: the driver has its rows made, too.
  const made = Array.from({ length: task.warm + task.count }, (_, index) => units.unitAt(index));
  const figures = await timed(task, async (index) => {
    const [result] = await metadata.commit([made[index]!]);
    if (result instanceof Error) throw result;
  });
  await metadata.close();
  return figures;
}

async function saveAll(task: MetadataTask): Promise<MetadataFigures> {
  const store = await openBoth(task);
  const units = new UnitSource(task.seed);
  const value = (index: number) => ({ index, text: "v".repeat(task.bytes) });
  const figures = await timed(task, (index) =>
    store.save(nameAt(index), value(index), { tags: units.tagsAt(index), metadata: units.metadata() }),
  );
  await store.close();
  return figures;
}

const COPIED = ["varve_versions", "varve_names", "varve_tags", "varve_operations"] as const;

/** The rows of each transaction that wrote them, in its order. Each name has one version. */
async function transactionsIn(url: string): Promise<Tables[]> {
  const raw = await openRaw(url, 1);
  const [versions, names, tags, operations] = await Promise.all(COPIED.map((table) => raw.rows(table)));
  await raw.close();
  const of = new Map<string, Tables>();
  const transactions = new Map<string, Tables>();
  operations!.sort((a, b) => Number(a.sequence) - Number(b.sequence));
  for (const row of operations!) {
    const token = textOf(row.token);
    if (!transactions.has(token)) transactions.set(token, new Map(COPIED.map((table) => [table, []])));
    of.set(textOf(row.name), transactions.get(token)!);
  }
  const rowsOf: [string, Row[]][] = [
    ["varve_operations", operations!],
    ["varve_versions", inOrder(versions!)],
    ["varve_names", names!],
    ["varve_tags", tags!],
  ];
  for (const [table, rows] of rowsOf) for (const row of rows) of.get(textOf(row.name))!.get(table)!.push(row);
  return [...transactions.values()];
}

const inOrder = (rows: Row[]) => rows.sort((a, b) => Number(a.sequence) - Number(b.sequence));

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  const bytes = value as Buffer | ArrayBuffer;
  return Buffer.from(bytes as ArrayBuffer).toString("latin1");
}

/** What was written before the measurement began warms up here too. */
async function copy(task: MetadataTask): Promise<MetadataFigures> {
  const transactions = await transactionsIn(task.from!);
  // One transaction at a time, as the adapter has them.
  const raw = await openRaw(task.url, 1);
  const sizeOf = (tables: Tables) => tables.get("varve_versions")!.length;
  let warm = 0;
  while (warm < task.warm) {
    warm += sizeOf(transactions[0]!);
    await raw.insert(transactions.shift()!);
  }
  const count = transactions.reduce((sum, tables) => sum + sizeOf(tables), 0);
  const begin = performance.now();
  for (const tables of transactions) await raw.insert(tables);
  const figures = { count, seconds: seconds(begin), transactions: transactions.length };
  await raw.close();
  return figures;
}

interface Slice {
  atOnce: number;
  seconds: number;
  names(): string;
}

/** Reads a second. */
async function slice(
  { atOnce, seconds: length, names }: Slice,
  read: (name: string) => Promise<unknown>,
): Promise<number> {
  const begin = performance.now();
  const until = begin + length * 1_000;
  let done = 0;
  const reader = async () => {
    while (performance.now() < until) {
      if ((await read(names())) === undefined) throw new Error("it is not there");
      done++;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, reader));
  return done / seconds(begin);
}

async function get(task: MetadataTask): Promise<MetadataFigures> {
  const store = await openBoth(task);
  const metadata = await open(task);
  const raw = await openRaw(task.url, CONNECTIONS);
  const random = randomFrom(task.seed);
  const names = () => nameAt(Math.floor(random() * task.count));
  const find = (name: string) => metadata.find({ name, kind: "latest", explicit: false });
  const getOne = (name: string) => store.get(name);
  const select = (name: string) => raw.select(name, 0);
  const reads: ReadFigures[] = [];
  for (const atOnce of AT_ONCE) {
    const one: Slice = { atOnce, seconds: task.seconds * SLICES.share, names };
    for (const each of [find, getOne, select]) await slice(one, each);
    const figures: ReadFigures = { atOnce, find: [], get: [], select: [] };
    for (let round = 0; round < SLICES.count; round++) {
      figures.find.push(await slice(one, find));
      figures.select.push(await slice(one, select));
      figures.get.push(await slice(one, getOne));
    }
    reads.push(figures);
  }
  await Promise.all([store.close(), metadata.close(), raw.close()]);
  return { count: 0, seconds: 0, reads };
}

/** Memory is looked at after so many rows. */
const ROWS_PER_LOOK = 500;
/** What is kept of a list is looked at so often: each time garbage is collected. */
const COLLECTIONS = 5;

async function list(task: MetadataTask): Promise<MetadataFigures> {
  const store = await openBoth(task);
  for await (const _ of store.list({ limit: ROWS_PER_LOOK })) {
    // Everything that is loaded once is loaded.
  }
  globalThis.gc?.();
  const idle = process.memoryUsage().rss;
  let most = idle;
  let count = 0;
  const begin = performance.now();
  for await (const { name } of store.list()) {
    if (name === "") throw new Error("a name is empty");
    if (++count % ROWS_PER_LOOK === 0) most = Math.max(most, process.memoryUsage().rss);
  }
  const figures = { count, seconds: seconds(begin), memory: most - idle };
  const kept = await keptBy(store, Math.ceil(count / COLLECTIONS));
  await store.close();
  return { ...figures, kept };
}

/** The list again, untimed. */
async function keptBy(store: ArtifactStore, rowsPerCollection: number): Promise<number> {
  const used = () => {
    globalThis.gc?.();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const idle = used();
  let most = idle;
  let count = 0;
  for await (const _ of store.list()) if (++count % rowsPerCollection === 0) most = Math.max(most, used());
  return most - idle;
}

const steps: Record<MetadataStep, Step> = {
  ...{ bind, copy, get, list },
  ...{ fill: commitUnits, units: commitUnits, saves: saveAll },
};

export function measureMetadataStep(task: MetadataTask): Promise<MetadataFigures> {
  return steps[task.step](task);
}
