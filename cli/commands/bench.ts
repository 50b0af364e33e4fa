import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { limitLines, reportLines } from "../bench/report.ts";
import { runBench } from "../bench/run.ts";
import { VALUE_BYTES } from "../bench/values.ts";
import { type Context, overridesOf, sourcesOf } from "../context.ts";
import { usageError } from "../errors.ts";
import { loadConfiguration } from "../library.ts";
import { defineVerb } from "../verb.ts";

const SECONDS = 12;
const SECONDS_COMPARING = 16;
const SECONDS_QUICK = 2;
const ARTIFACTS = 5_000;
const ARTIFACTS_QUICK = 1_000;
const VALUE_BYTES_MAX = 1024 * 1024;

function wholeNumber(option: string, text: string | undefined, standard: number, max: number): number {
  if (text === undefined) return standard;
  if (!/^\d+$/.test(text) || Number(text) > max) {
    throw usageError(`--${option} must be a whole number up to ${max}, not ${JSON.stringify(text)}`);
  }
  return Number(text);
}

/** The folder that a store would be made in: on the disk that is meant, and there already. */
async function besideHome(context: Context): Promise<string> {
  const { loadConfig } = await loadConfiguration();
  const { home } = await loadConfig(overridesOf(context), sourcesOf(context));
  let folder = dirname(resolve(context.io.cwd, home!));
  while (!existsSync(folder)) folder = dirname(folder);
  return folder;
}

export default defineVerb({
  name: "bench",
  options: {
    dir: { kind: "text", describe: "measure in this folder; default: beside the store's home" },
    compare: { kind: "flag", describe: "measure other stores too, as far as they are installed" },
    bytes: { kind: "text", describe: `bytes of a value; default ${VALUE_BYTES}` },
    seed: { kind: "text", describe: "seed of the values and of the order of loads; default 1" },
    quick: { kind: "flag", describe: "two seconds, for a first look" },
  },
  about:
    "Loads and saves values in a new folder that is removed afterwards; the store itself is not touched. Takes less than 30 seconds. Figures of a single run: the full benchmark is in bench/ of the sources.",
  examples: [
    ["varve bench", "what this disk and this processor can do"],
    ["varve bench --compare --dir /mnt/data", "with other stores, on another disk"],
  ],
  async run({ options }, context) {
    const report = await runBench({
      folder: options.dir === undefined ? await besideHome(context) : resolve(context.io.cwd, options.dir),
      cwd: context.io.cwd,
      bytes: wholeNumber("bytes", options.bytes, VALUE_BYTES, VALUE_BYTES_MAX),
      seed: wholeNumber("seed", options.seed, 1, 2 ** 31),
      seconds: options.quick ? SECONDS_QUICK : options.compare ? SECONDS_COMPARING : SECONDS,
      artifacts: options.quick ? ARTIFACTS_QUICK : ARTIFACTS,
      compare: options.compare,
      signal: context.io.signal,
      onStep: (subject, workload) => {
        if (context.progress) context.note(`${subject}: ${workload}`);
      },
    });
    if (context.json) await context.output.document({ ...report, limitedBy: limitLines(report) });
    else for (const line of reportLines(report)) await context.output.line(line);
    return undefined;
  },
});
