/** A large model to a server of MLflow and back, beside Python's client of the same server. */

import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { spreadOf } from "../../cli/bench/statistics.ts";
import { digits, tableLines } from "../../cli/bench/text.ts";
import { artifactsFolder, mlflowProgram, mlflowPython, mlflowUrl } from "../../test/services/mlflow.ts";
import { installPython, PYTHON } from "../../test/services/python.ts";
import { Server } from "../../test/services/server.ts";
import { answerOf } from "../child-process.ts";
import type { Options } from "../options.ts";
import type { RecoverySettings } from "../recovery/recovery.ts";
import type { MlflowFigures, MlflowStep } from "./figures.ts";

const MIB = 1024 * 1024;
/** Of the speed of Python's client. */
const SHARE_MIN = 0.9;
/** Above what was before. */
const MEMORY_MAX = 150 * MIB;
/** Of artifacts, below the experiment that each server has. */
const FOLDER = "mlflow-artifacts:/0/bench";

/** `mlflow.artifacts` has a download; an upload is that of the same repository of artifacts. */
const SCRIPT = `
import json, os, resource, sys, time
import mlflow.artifacts
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
what, path, uri = sys.argv[1:4]
repository = get_artifact_repository(uri)
repository.list_artifacts()
idle = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
begin, used = time.perf_counter(), time.process_time()
if what == "upload":
    repository.log_artifact(path)
else:
    mlflow.artifacts.download_artifacts(artifact_uri=uri + "/model.onnx", dst_path=path)
seconds, processor = time.perf_counter() - begin, time.process_time() - used
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - idle
print(json.dumps({"seconds": seconds, "processor": processor, "memory": memory}))
`;

/** By round. */
export interface Mlflow {
  size: number;
  ours: Record<Exclude<MlflowStep, "make">, MlflowFigures[]>;
  python: Record<"upload" | "download", MlflowFigures[]>;
}

interface Place {
  server: Server;
  folder: string;
  size: number;
  options: Options;
  settings: RecoverySettings;
}

export async function measureMlflow(options: Options, settings: RecoverySettings): Promise<Mlflow> {
  process.env[PYTHON] ??= installPython();
  const folder = await mkdtemp(join(settings.folder, "mlflow-"));
  // The server may be another user, who has to get there.
  for (const each of [settings.folder, folder]) await chmod(each, 0o755);
  const server = await Server.start(mlflowProgram(), join(folder, "server"));
  const place = { server, folder, size: options.largeBytes, options, settings };
  try {
    return await measureRounds(place);
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function measureRounds(place: Place): Promise<Mlflow> {
  const measured: Mlflow = {
    size: place.size,
    ours: { upload: [], download: [], save: [], load: [] },
    python: { upload: [], download: [] },
  };
  const { ours, python } = measured;
  await runOurs(place, "make");
  for (let round = 0; round < place.options.rounds; round++) {
    const both = async (step: "upload" | "download") => {
      const runs = [
        async () => ours[step].push(await runOurs(place, step)),
        async () => python[step].push(await runPython(place, step)),
      ];
      // Who is first has it from the disk, or to a disk that is still busy: each is so in turn.
      for (const run of round % 2 === 0 ? runs : runs.reverse()) await run();
    };
    await both("upload");
    await both("download");
    await removeArtifacts(place);
    ours.save.push(await runOurs(place, "save"));
    ours.load.push(await runOurs(place, "load"));
    await removeArtifacts(place);
    await rm(join(place.folder, "home"), { recursive: true, force: true });
  }
  return measured;
}

/** What earlier transfers have left to be written would be paid for by the next one. */
async function settleDisk(): Promise<void> {
  await promisify(execFile)("sync");
}

const fileOf = ({ folder }: Place) => join(folder, "model.onnx");
const targetOf = ({ folder }: Place) => join(folder, "target");

async function runOurs(place: Place, step: MlflowStep): Promise<MlflowFigures> {
  const { server, folder, size, options, settings } = place;
  const { script, signal, onStep } = settings;
  onStep(`varve: ${step}`);
  const { seed, bytes, secondsMax, profile } = options;
  const base = { kind: "mlflow", subject: "varve", folder, filled: 0, seed, bytes } as const;
  const target = join(targetOf(place), "model");
  await mkdir(targetOf(place), { recursive: true });
  await settleDisk();
  const task = { ...base, step, size, url: mlflowUrl(server.port), uri: FOLDER, file: fileOf(place), target };
  const answer = await answerOf(task, { script, signal, secondsMax, profile });
  await rm(targetOf(place), { recursive: true, force: true });
  if (answer.kind !== "done" || !answer.mlflow) throw new Error(`answered ${answer.kind}`);
  return answer.mlflow;
}

async function runPython(place: Place, step: "upload" | "download"): Promise<MlflowFigures> {
  const { server, settings, options } = place;
  settings.onStep(`Python: ${step}`);
  await mkdir(targetOf(place), { recursive: true });
  await settleDisk();
  const path = step === "upload" ? fileOf(place) : targetOf(place);
  const signal = AbortSignal.any([settings.signal, AbortSignal.timeout(options.secondsMax * 1_000)]);
  const url = mlflowUrl(server.port);
  const told = await mlflowPython(SCRIPT, [step, path, FOLDER], { url, signal });
  await rm(targetOf(place), { recursive: true, force: true });
  return JSON.parse(told.trim().split("\n").at(-1)!) as MlflowFigures;
}

/** The disk need not hold what each has uploaded. */
async function removeArtifacts({ folder }: Place): Promise<void> {
  const all = artifactsFolder(join(folder, "server"));
  for (const name of await readdir(all)) await rm(join(all, name), { recursive: true, force: true });
}

export function mlflowLines({ size, ours, python }: Mlflow): string[] {
  const rate = ({ seconds }: MlflowFigures) => size / MIB / seconds;
  const most = (figures: readonly MlflowFigures[]) => Math.max(...figures.map(({ memory }) => memory));
  const processor = (figures: readonly MlflowFigures[]) =>
    spreadOf(figures.map((each) => each.processor)).median;
  const line = (
    what: string,
    own: readonly MlflowFigures[],
    peer: readonly MlflowFigures[],
    hasAim = true,
  ) => {
    const ratio = spreadOf(own.map((each, i) => rate(each) / rate(peer[i]!)));
    const isMet = ratio.median >= SHARE_MIN && most(own) < MEMORY_MAX;
    return [
      what,
      `${digits(spreadOf(own.map(rate)).median)} MiB/s`,
      `${digits(spreadOf(peer.map(rate)).median)} MiB/s`,
      `${digits(ratio.median)} (${digits(ratio.min)}–${digits(ratio.max)})`,
      `${digits(processor(own))} s`,
      `${digits(processor(peer))} s`,
      `${Math.round(most(own) / MIB)} MiB`,
      `${Math.round(most(peer) / MIB)} MiB`,
      hasAim ? (isMet ? "met" : "missed") : "",
    ];
  };
  return [
    `a model of ${size / MIB} MiB of random bytes; the aims are ${SHARE_MIN} of Python's speed and less than ${MEMORY_MAX / MIB} MiB:`,
    ...tableLines([
      ["", "varve", "Python", "ratio (min–max)", "processor", "Python's", "memory", "Python's", ""],
      line("upload, the client alone", ours.upload, python.upload),
      line("download, the client alone", ours.download, python.download),
      // Python makes no digest, and registers nothing.
      line("saveFile, with digest and registration, by the upload", ours.save, python.upload, false),
      line("stream, checked, by the download", ours.load, python.download),
    ]),
  ];
}
