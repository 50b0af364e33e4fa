/** Lives through a full disk: fills the one it is given, reads, deletes, gets room, goes on. Prints what was not as promised. */
import { closeSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { ArtifactStore } from "../../engine/api.ts";
import { VarveError } from "../../engine/errors.ts";
import { Random } from "../helpers/random.ts";
import { openOverSeams } from "../helpers/seam-store.ts";

/** The argument, as JSON. */
export interface FullDiskProgramOptions {
  /** The root of the small disk. */
  disk: string;
  seed: number;
  /** What is kept free of saves; 0 drives everything against the end of the disk. */
  minFreeSpace: number;
  segmentBytesMax: number;
}

/** What it prints. */
export interface FullDiskAnswer {
  saves: number;
  refusals: number;
  /** What other calls were refused than saves, for want of room. */
  refused: string[];
  violations: string[];
}

const options: FullDiskProgramOptions = JSON.parse(process.argv[2]!);
const random = new Random("full disk", options.seed);
const home = join(options.disk, "home");
const filler = join(options.disk, "filler");
const lastFiller = join(options.disk, "last-filler");
const answer: FullDiskAnswer = { saves: 0, refusals: 0, refused: [], violations: [] };
const right = new Map<string, string>();
let count = 0;

function open(): Promise<ArtifactStore> {
  const { minFreeSpace, segmentBytesMax } = options;
  return openOverSeams(home, { minFreeSpace, segmentBytesMax });
}

async function save(store: ArtifactStore): Promise<"saved" | "refused"> {
  const value = `${count++} ${"x".repeat(random.below(random.below(10) === 0 ? 60_000 : 3_000))}`;
  try {
    const { ref } = await store.save(`n${random.below(5)}`, value);
    right.set(ref, value);
    answer.saves++;
    return "saved";
  } catch (error) {
    answer.refusals++;
    noteFailure("save", error);
    return "refused";
  }
}

/** Only want of room is an excuse. */
function noteFailure(call: string, error: unknown): void {
  const { code, message } = error as VarveError;
  if (code === "NO_SPACE") return;
  answer.violations.push(`${call}: ${code} ${message}`);
}

async function fill(store: ArtifactStore): Promise<void> {
  let refusals = 0;
  for (let i = 0; i < 20_000 && refusals < 8; i++) if ((await save(store)) === "refused") refusals++;
  if (refusals === 0) answer.violations.push("the disk was never full");
}

/** To the last byte, past what the store would take for a save. */
function fillUp(): void {
  const file = openSync(lastFiller, "a");
  try {
    for (;;) writeSync(file, Buffer.alloc(4096));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    closeSync(file);
  }
}

async function checkAll(store: ArtifactStore, when: string): Promise<void> {
  for (const [ref, value] of right) {
    const found = await store.load(ref).catch((error: VarveError) => error);
    if (found === value) continue;
    const what = found instanceof VarveError ? `${found.code} ${found.message}` : "another value";
    answer.violations.push(`${when}: ${ref} is ${what}`);
  }
}

async function refusedWhen(call: string, action: () => Promise<unknown>): Promise<void> {
  // For the message, should this be what ends the process.
  console.error(call);
  try {
    await action();
  } catch (error) {
    answer.refused.push(call);
    noteFailure(call, error);
  }
}

async function verify(store: ArtifactStore, when: string): Promise<void> {
  const { ok, problems } = await store.verify({ full: true });
  if (!ok) answer.violations.push(...problems.map(({ message }) => `${when}: ${message}`));
}

async function remove(store: ArtifactStore): Promise<void> {
  const victim = [...right.keys()][random.below(right.size)]!;
  await refusedWhen("delete", async () => {
    await store.delete(victim);
    right.delete(victim);
  });
}

async function reopenWithoutRoom(): Promise<void> {
  await refusedWhen("open", async () => {
    const store = await open();
    await checkAll(store, "opened without a byte of room");
    await store.close();
  });
}

async function liveThrough(): Promise<void> {
  const { bavail, bsize } = statfsSync(options.disk);
  writeFileSync(filler, Buffer.alloc(Math.floor(bavail * bsize * 0.3)));
  let store = await open();
  await fill(store);
  await checkAll(store, "while the disk is full");
  // Everything but saves may use what is kept free of them.
  await remove(store);
  if (options.minFreeSpace > 0 && answer.refused.includes("delete"))
    answer.violations.push("a deletion was refused, with room kept for it");
  fillUp();
  await remove(store);
  await refusedWhen("rebuildIndex", () => store.rebuildIndex());
  fillUp();
  await checkAll(store, "without a byte of room");
  await refusedWhen("close", () => store.close());
  await reopenWithoutRoom();
  // As after a reboot: the lock environment is made anew.
  rmSync(join(home, "lock"), { recursive: true });
  fillUp();
  await reopenWithoutRoom();
  rmSync(filler);
  rmSync(lastFiller);
  store = await open();
  await checkAll(store, "with room again");
  for (let i = 0; i < 20; i++)
    if ((await save(store)) === "refused") answer.violations.push("a save was refused with room again");
  await verify(store, "with room again");
  await store.rebuildIndex();
  await checkAll(store, "behind a rebuild");
  await store.close();
}

await liveThrough();
console.log(JSON.stringify(answer));
