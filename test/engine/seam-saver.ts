/**
 * Has a store open over a seam, and does what it is told, a line each: `hold` and `release` the syncs of segments,
 * `fail` the next one, or the one that is held (`fail-all`: those of new segments too), `die <call>` at the next such call of the seam,
 * `save <name> <value>`, `load <ref>`, `close`. Each answer is a line, and so is each sync that is held.
 */
import { createInterface } from "node:readline";
import type { ArtifactStore } from "../../engine/api.ts";
import { gate, systemError, WatchedFiles } from "../helpers/files.ts";
import { openSeamStore } from "../helpers/stores.ts";

const [home, durability, segmentBytesMax] = process.argv.slice(2) as [
  string,
  "durable" | "buffered",
  string?,
];
const files = new WatchedFiles();
const say = (document: unknown) => console.log(JSON.stringify(document));
let held: ReturnType<typeof gate> | undefined;
let failing: "no" | "next" | "all" = "no";
let dyingAt = "";

function dieAt(call: string): void {
  if (call === dyingAt) process.kill(process.pid, "SIGKILL");
}

function failIfTold(path: string): void {
  if (failing === "no" || (failing === "next" && !path.endsWith(".varve"))) return;
  if (failing === "next") failing = "no";
  throw systemError("EIO", "fdatasync");
}

files.onSync = (path) => {
  if (!held || !path.endsWith(".varve")) return failIfTold(path);
  say({ held: true });
  return held.opened.then(() => failIfTold(path));
};
files.onPublish = (_, publish) => {
  dieAt("publish");
  publish();
};
files.onSyncFolder = () => dieAt("syncFolder");

async function answer(store: ArtifactStore, line: string): Promise<void> {
  const [what, name, value] = line.split(" ") as [string, string, string];
  if (what === "hold") held = gate();
  else if (what === "release") {
    held?.open();
    held = undefined;
  } else if (what === "fail") failing = "next";
  else if (what === "fail-all") failing = "all";
  else if (what === "die") dyingAt = name;
  else {
    const call =
      what === "save" ? store.save(name, value) : what === "load" ? store.load(name) : store.close();
    const told = await call.then(
      (done) =>
        what === "save" ? { version: (done as { version: number }).version } : { value: done ?? null },
      ({ code, outcome }) => ({ code, outcome }),
    );
    say(told);
    if (what === "close") process.exit(0);
    return;
  }
  if (what !== "release") say({ done: what });
}

const store = await openSeamStore(
  home,
  { files, ...(segmentBytesMax && { segmentBytesMax: Number(segmentBytesMax) }) },
  durability,
);
say({ ready: true });
createInterface({ input: process.stdin }).on("line", (line) => void answer(store, line));
