/** The tour of `npm run demo`: a few penguins, three models, one store in a temporary folder. */

import { execFile } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Artifact } from "../../engine/main.ts";
import { openStore } from "../../engine/main.ts";
import type { LinearModel } from "./models/linear.ts";
import { predict } from "./models/linear.ts";
import type { Penguin } from "./penguins.ts";
import { source } from "./penguins.ts";
import { methods, saveClean, saveModel, saveRaw } from "./steps.ts";
import { bytes, heading, line, percent, table } from "./story.ts";

const home = await mkdtemp(join(tmpdir(), "varve-demo-"));
const store = await openStore({ home });
try {
  const clean = await saveData();
  await saveModels(clean);
  await showList();
  await showOrigin();
  await loadOldVersion();
  await saveUnchanged(clean);
  await readElsewhere();
  await showStats();
} finally {
  await store.close();
}
showCommands();

async function saveData(): Promise<Artifact> {
  heading("Save a file and what was made from it");
  line(`Data: ${source.title}, ${source.collectedBy};`);
  line(`      ${source.licence}, from the package ${source.via}.`);
  const raw = await saveRaw(store);
  const clean = await saveClean(store, raw);
  table([raw, clean].map(({ ref, size, digest }) => [ref, bytes(size), `${digest.slice(0, 19)}…`]));
  return clean;
}

async function saveModels(clean: Artifact): Promise<void> {
  heading("Save three versions of a model, each with its code, its input and its accuracy");
  let best: Artifact | undefined;
  for (const method of methods) {
    const model = await saveModel(store, clean, method);
    line(`${model.ref}  ${percent(accuracyOf(model)).padStart(6)}  ${method.name}`);
    if (!best || accuracyOf(model) > accuracyOf(best)) best = model;
  }
  await store.setAlias("penguins/model", "best", best!.version);
  line(`The alias penguins/model@best points at version ${best!.version}.`);
}

function accuracyOf({ metadata }: Artifact): number {
  return metadata.accuracy as number;
}

async function showList(): Promise<void> {
  heading("List the latest versions, and the history of one name");
  for await (const { ref, mediaType, inputs } of store.list({ name: "penguins/*" }))
    line(`${ref}  ${mediaType}${inputs.length > 0 ? `  from ${inputs.join(", ")}` : ""}`);
  line("");
  for await (const { ref, metadata, aliases } of store.versions("penguins/model"))
    line([ref, metadata.method, ...aliases.map((alias) => `@${alias}`)].join("  "));
}

async function showOrigin(): Promise<void> {
  heading("Where does the best model come from?");
  const model = await store.get("penguins/model@best");
  const { nodes } = await store.lineage(model, { direction: "up" });
  line(nodes.map(({ ref }) => ref).join(" ← "));
  line("");
  line("Its code, as it was when the version was saved:");
  for (const { file, text } of model.code!.sources) line(`${file}, ${text.split("\n").length - 1} lines`);
  line("");
  const code = model.code!.sources[0]!.text.split("\n");
  const start = code.findIndex((each) => each.startsWith("/** Softmax"));
  for (const each of code.slice(start, start + 8)) line(`| ${each}`);
  line("| …");
}

async function loadOldVersion(): Promise<void> {
  heading("Load an old version beside the newest");
  const penguins = await store.load<Penguin[]>("penguins/clean");
  const [first, newest] = [
    await store.load<LinearModel>("penguins/model:0"),
    await store.load<LinearModel>("penguins/model"),
  ];
  const chosen = [0, 1, 160].map((i) => penguins[i]!);
  table([
    ["penguin", "version 0 says", "version 2 says"],
    ...chosen.map(({ species, measures }) => [species, predict(first, measures), predict(newest, measures)]),
  ]);
}

async function saveUnchanged(clean: Artifact): Promise<void> {
  heading("Save the same value again: a version, but no second copy");
  const before = await store.stats();
  const again = await store.save("penguins/clean", await clean.value(), { inputs: clean.inputs });
  const after = await store.stats();
  line(`${again.ref} has the digest of ${clean.ref}: ${again.digest === clean.digest}`);
  line(`The value has ${bytes(again.size)}; the log grew by ${bytes(after.logBytes - before.logBytes)}.`);
}

async function readElsewhere(): Promise<void> {
  heading("Read the store from another process, while this one has it open");
  const tsx = import.meta.resolve("tsx");
  const reader = fileURLToPath(new URL("reader.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", tsx, reader, home]);
  line(stdout.trim());
}

async function showStats(): Promise<void> {
  heading("What is in the store, and is it intact?");
  const { names, versions, valueBytes, deduplicatedBytes, logBytes } = await store.stats();
  line(`${names} names with ${versions} versions, whose values have ${bytes(valueBytes)}`);
  line(`${bytes(deduplicatedBytes)} were not stored again; the log has ${bytes(logBytes)}, code included`);
  const { ok, records } = await store.verify({ full: true });
  line(`verify: ${ok ? "ok" : "DAMAGED"}, ${records} records`);
}

function showCommands(): void {
  const verbs = [
    "list 'penguins/**'",
    "history penguins/model",
    "show penguins/model@best",
    "code penguins/model:0",
    "get penguins/model:0",
    "verify --full",
  ];
  console.log(`\nThe store stays in ${home}. Go on from here:\n`);
  for (const verb of verbs) console.log(`  node --import tsx cli/main.ts ${verb} --home ${home}`);
  console.log(`\nTo remove it:\n\n  rm -r ${home}`);
}
