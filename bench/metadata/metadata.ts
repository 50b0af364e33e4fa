/** Metadata in SQL databases: what the adapter costs above its driver. */

import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { answerOf } from "../child-process.ts";
import type { Options } from "../options.ts";
import type { RecoverySettings } from "../recovery/recovery.ts";
import type { DatabaseKind, MetadataFigures, MetadataStep } from "./figures.ts";
import { type Databases, databasesOf } from "./servers.ts";

/** Versions of one round of saves at most, and those in front of them. */
const SAVED_MAX = 20_000;
const WARM_SHARE = 4;

/** By round: the adapter, and its driver with the same rows. */
export interface Bulk {
  units: MetadataFigures[];
  unitsCopied: MetadataFigures[];
  saves: MetadataFigures[];
  savesCopied: MetadataFigures[];
}

export interface MetadataRow {
  kind: DatabaseKind;
  /** Names in the database that is read. */
  names: number;
  bulk: Bulk;
  get: MetadataFigures;
  list: MetadataFigures;
}

interface Place {
  url: string;
  folder: string;
}

type RunStep = (
  step: MetadataStep,
  place: Place,
  count: number,
  more?: { warm?: number; from?: string },
) => Promise<MetadataFigures>;

export async function measureMetadata(options: Options, settings: RecoverySettings): Promise<MetadataRow[]> {
  const rows: MetadataRow[] = [];
  for (const kind of options.databases) {
    const databases = await databasesOf(kind, settings.folder);
    if (!databases) {
      settings.onStep(`${kind} is not installed: left out`);
      continue;
    }
    try {
      rows.push(await measureOne(databases, options, settings));
    } finally {
      await databases.stop();
    }
  }
  return rows;
}

async function measureOne(
  databases: Databases,
  options: Options,
  settings: RecoverySettings,
): Promise<MetadataRow> {
  const { kind } = databases;
  const run = runnerOf(kind, options, settings);
  const count = Math.min(options.artifacts, SAVED_MAX);
  const bulk: Bulk = { units: [], unitsCopied: [], saves: [], savesCopied: [] };
  for (let round = 0; round < options.rounds; round++) {
    const units = await measureBulk(run, databases, "units", count, settings);
    bulk.units.push(units.own);
    bulk.unitsCopied.push(units.copied);
    const saves = await measureBulk(run, databases, "saves", count, settings);
    bulk.saves.push(saves.own);
    bulk.savesCopied.push(saves.copied);
  }
  const reads = await withPlace(databases, settings, async (place) => {
    await run("bind", place, 0);
    await run("fill", place, options.artifacts);
    return {
      get: await run("get", place, options.artifacts),
      list: await run("list", place, options.artifacts),
    };
  });
  return { kind, names: options.artifacts, bulk, ...reads };
}

function measureBulk(
  run: RunStep,
  databases: Databases,
  step: "units" | "saves",
  count: number,
  settings: RecoverySettings,
): Promise<{ own: MetadataFigures; copied: MetadataFigures }> {
  const warm = Math.ceil(count / WARM_SHARE);
  return withPlace(databases, settings, (from) =>
    withPlace(databases, settings, async (to) => {
      await run("bind", to, 0);
      const own = await run(step, from, count, { warm });
      return { own, copied: await run("copy", to, count, { warm, from: from.url }) };
    }),
  );
}

async function withPlace<T>(
  databases: Databases,
  { folder }: RecoverySettings,
  action: (place: Place) => Promise<T>,
): Promise<T> {
  const home = await mkdtemp(join(folder, "home-"));
  const { url, drop } = await databases.fresh();
  try {
    return await action({ url, folder: home });
  } finally {
    await drop();
    await rm(home, { recursive: true, force: true });
  }
}

function runnerOf(
  kind: DatabaseKind,
  { seed, bytes, profile, secondsMax, seconds }: Options,
  { script, signal, onStep }: RecoverySettings,
): RunStep {
  return async (step, { url, folder }, count, { warm = 0, from } = {}) => {
    onStep(`${kind}: ${step}`);
    const answer = await answerOf(
      {
        ...{ kind: "metadata", subject: `${kind}-${step}`, folder, filled: 0, seed, bytes, step, url },
        ...{ count, warm, from, seconds },
      },
      { script, signal, secondsMax, profile },
    );
    if (answer.kind !== "done" || !answer.metadata) throw new Error(`answered ${answer.kind}`);
    return answer.metadata;
  };
}
