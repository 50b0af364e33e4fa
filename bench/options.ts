/** The words of `npm run bench`. */

import { parseArgs } from "node:util";
import { tableLines } from "../cli/bench/text.ts";
import { VALUE_BYTES } from "../cli/bench/values.ts";
import { chartsFolder } from "./build.ts";
import { type DatabaseKind, KINDS } from "./metadata/figures.ts";
import { measured } from "./references.ts";
import { SPACE_VALUE_BYTES } from "./space/figures.ts";
import { TARGET_SIZES } from "./targets/targets.ts";
import { workloads } from "./workloads.ts";

export interface Options {
  only: string[];
  subjects: string[];
  /** Whose rate is divided by that of the others. */
  base: string;
  rounds: number;
  /** Of one measurement. */
  seconds: number;
  /** After which a child is killed. */
  secondsMax: number;
  artifacts: number;
  bytes: number;
  /** Of a large value. */
  largeBytes: number;
  seed: number;
  dir: string | undefined;
  json: string | undefined;
  profile: string | undefined;
  /** Whether this code is slower than another commit, instead of the workloads. */
  gate: boolean;
  /** That commit; undefined: what this one came from. */
  against: string | undefined;
  /** What the targets need, instead of the workloads. */
  targets: boolean;
  /** Artifacts of the three stores that the targets are about. */
  sizes: [small: number, middle: number, large: number];
  /** Sizes of the stores that are measured as they grow, instead of the workloads. */
  growth: number[] | undefined;
  /** Where the charts of growth are put. */
  charts: string;
  /** Sizes of the stores whose recovery is measured, instead of the workloads. */
  recovery: number[] | undefined;
  /** Sizes of the stores whose space is measured, instead of the workloads. */
  space: number[] | undefined;
  /** Sizes of values, in MiB, instead of the workloads. */
  large: number[] | undefined;
  /** Files of the directories that are saved, instead of the workloads. */
  files: number[] | undefined;
  /** Whether metadata databases are measured, instead of the workloads. */
  metadata: boolean;
  /** Whether models in MLflow are measured, instead of the workloads. */
  mlflow: boolean;
  /** Which databases. */
  databases: DatabaseKind[];
}

const definitions = {
  only: { type: "string" },
  subjects: { type: "string" },
  base: { type: "string" },
  rounds: { type: "string" },
  seconds: { type: "string" },
  limit: { type: "string" },
  artifacts: { type: "string" },
  bytes: { type: "string" },
  "large-bytes": { type: "string" },
  seed: { type: "string" },
  dir: { type: "string" },
  json: { type: "string" },
  profile: { type: "string" },
  gate: { type: "boolean" },
  against: { type: "string" },
  targets: { type: "boolean" },
  sizes: { type: "string" },
  growth: { type: "string" },
  charts: { type: "string" },
  recovery: { type: "string" },
  space: { type: "string" },
  large: { type: "string" },
  files: { type: "string" },
  metadata: { type: "boolean" },
  databases: { type: "string" },
  mlflow: { type: "boolean" },
  quick: { type: "boolean" },
  help: { type: "boolean" },
} as const;

const MIB = 1024 * 1024;
/** Whose growth is measured unless others are asked for. */
const GROWING = "varve,lmdb";
const full = {
  ...{ rounds: 5, seconds: 2, secondsMax: 120, artifacts: 50_000, largeBytes: 64 * MIB },
  sizes: [TARGET_SIZES.small, TARGET_SIZES.middle, TARGET_SIZES.large],
};
const quick = {
  ...{ rounds: 2, seconds: 0.2, secondsMax: 30, artifacts: 2_000, largeBytes: 4 * MIB },
  sizes: [2_000, 20_000, 100_000],
};

/** As many rounds as bring each of three sides to each place. */
const gate = { ...full, rounds: 3, artifacts: 2_000 };

/** As many names as are listed. */
const metadata = { ...full, rounds: 3, artifacts: 100_000 };

/** Each is a transfer of a whole model. */
const mlflow = { ...full, rounds: 3, largeBytes: 1024 * MIB, secondsMax: 600 };

/** Undefined when the help is asked for. */
export function parseOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({ args, options: definitions });
  if (values.help) return undefined;
  const defaults = values.quick
    ? quick
    : values.gate
      ? gate
      : values.metadata
        ? metadata
        : values.mlflow
          ? mlflow
          : full;
  const number = (
    name: "rounds" | "seconds" | "limit" | "artifacts" | "bytes" | "large-bytes" | "seed",
    standard: number,
  ) => numberOf(name, values[name], standard);
  const sizesOf = (name: "growth" | "recovery" | "space" | "large" | "files" | "sizes") =>
    values[name]?.split(",").map((size) => numberOf(name, size, 0));
  const sizes = sizesOf("sizes") ?? defaults.sizes;
  if (sizes.length !== 3) throw new Error("--sizes takes three numbers: --sizes 10000,1000000,10000000");
  const growing = values.growth === undefined ? undefined : GROWING;
  const chosen = namesOf("--subjects", values.subjects ?? growing, measured);
  const base = values.base ?? chosen[0]!;
  if (!chosen.includes(base)) throw new Error(`--base ${base} is not among the subjects`);
  return {
    only: namesOf("--only", values.only, workloads),
    subjects: chosen,
    base,
    rounds: number("rounds", defaults.rounds),
    seconds: number("seconds", defaults.seconds),
    secondsMax: number("limit", defaults.secondsMax),
    artifacts: number("artifacts", defaults.artifacts),
    bytes: number("bytes", values.space === undefined ? VALUE_BYTES : SPACE_VALUE_BYTES),
    largeBytes: number("large-bytes", defaults.largeBytes),
    seed: number("seed", 1),
    dir: values.dir,
    json: values.json,
    profile: values.profile,
    gate: values.gate ?? false,
    against: values.against,
    targets: values.targets ?? false,
    sizes: sizes as Options["sizes"],
    growth: sizesOf("growth")?.sort((one, other) => one - other),
    charts: values.charts ?? chartsFolder,
    recovery: sizesOf("recovery"),
    space: sizesOf("space"),
    large: sizesOf("large"),
    files: sizesOf("files"),
    metadata: values.metadata ?? false,
    mlflow: values.mlflow ?? false,
    databases: namesOf(
      "--databases",
      values.databases,
      KINDS.map((name) => ({ name })),
    ) as DatabaseKind[],
  };
}

function numberOf(name: string, text: string | undefined, standard: number): number {
  const number = text === undefined ? standard : Number(text);
  if (text === "" || !(number > 0) || !Number.isFinite(number))
    throw new Error(`--${name} must be a number above 0`);
  return number;
}

/** In the order of the list, whatever the order given. */
function namesOf(option: string, text: string | undefined, all: readonly { name: string }[]): string[] {
  const known = all.map(({ name }) => name);
  if (text === undefined) return known;
  const asked = text.split(",");
  const unknown = asked.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`${option} ${unknown}: choose among ${known.join(", ")}`);
  return known.filter((name) => asked.includes(name));
}

export function helpText(): string {
  const lines = (rows: readonly { name: string; does: string }[]): string =>
    tableLines(
      rows.map(({ name, does }) => [`  ${name}`, does]),
      "left",
    ).join("\n");
  return `npm run bench -- [options]: varve and other stores, side by side

Workloads:
${lines(workloads)}

Subjects:
${lines(measured)}

Options:
  --only NAMES       workloads, separated by commas; default: all
  --subjects NAMES   subjects, separated by commas; default: all
  --base NAME        whose speed is divided by that of the others; default: the first subject
  --quick            a first look: ${quick.rounds} rounds of ${quick.seconds} s with ${quick.artifacts} artifacts
  --rounds N         how often everything is measured, in turn; default ${full.rounds}
  --seconds S        of one measurement; default ${full.seconds}
  --limit S          after which a measurement is given up; default ${full.secondsMax}
  --artifacts N      in the stores that are read; default ${full.artifacts}
  --bytes N          of a value as CBOR; default ${VALUE_BYTES}; with --space ${SPACE_VALUE_BYTES}
  --large-bytes N    of a value of put-large and get-large; default ${full.largeBytes}; with --mlflow ${mlflow.largeBytes}
  --seed N           of values and order; default 1
  --dir DIR          where stores are made, and removed; default: the system's folder for temporary files
  --json FILE        write all figures to a file
  --profile DIR      keep a CPU profile of each measurement, and print what took longest
  --targets          only what the targets of varve need, and which are met; with --only those of some workloads;
                     takes 30 GB of disk
  --sizes A,B,C      artifacts of the three stores of --targets; default ${full.sizes.join(",")}
  --growth SIZES     only loads, saves, opening, memory and bytes as a store grows, as a table and as charts; of varve and
                     lmdb unless --subjects says otherwise; takes 3 KiB of disk an artifact
  --charts DIR       where these charts are put; default bench/charts
  --gate             only whether this code is slower than the commit that it came from, which is measured twice in turns
                     with it, and by how much more than that one from itself: then the exit code is 1
  --against COMMIT   what --gate compares with; default: the merge base with main, else the commit before
  --recovery SIZES   only how long stores of so many artifacts, separated by commas, take to come back after a kill
                     and a reboot, and to be indexed again; takes 2.5 KiB of disk an artifact
  --space SIZES      only what stores of so many artifacts take beside values, how long a plan of \`prune\` takes, and
                     loads during a compaction; takes 3 KiB of disk an artifact
  --large MIBS       only values of so many MiB: how fast they are saved and read, and what edits add; takes 7 times
                     as much disk
  --files COUNTS     only directories of so many files of 1 KiB, saved twice
  --metadata         only what metadata in PostgreSQL, MariaDB and SQLite costs above what their drivers do alone; starts
                     servers of its own (test/services/start.ts installs them)
  --databases NAMES  which of them
  --mlflow           only how fast a large model goes to a server of MLflow and back, beside Python's client; starts a
                     server of its own, and installs it where it is missing; takes 4 times as much disk
  --help             show this help
`;
}
