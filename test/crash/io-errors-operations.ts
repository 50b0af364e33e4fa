import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ArtifactStore } from "../../engine/api.ts";
import type { FileSystem } from "../../engine/log/file.ts";
import type { Change } from "./power-cut-history.ts";
import { openOver } from "./power-cut-store.ts";
import { besideFolder } from "./simulated-beside.ts";
import type { SimulatedDisk } from "./simulated-disk.ts";
import { SimulatedFile } from "./simulated-file.ts";

/** Where an operation begins: with no store at all, one that was closed in this boot, one of an earlier boot, an open one. */
export type Beginning = "nothing" | "closed" | "rebooted" | "open";

export interface Subject {
  disk: SimulatedDisk;
  /** Of an operation that begins with an open store, or one that it has opened. */
  store: ArtifactStore | undefined;
  options: { segmentBytesMax?: number; files?: FileSystem };
  durable: boolean;
}

/** One public operation of the store. */
export interface Operation {
  name: string;
  begin: Beginning;
  run(subject: Subject): Promise<unknown>;
  /** What it changes, if anything. */
  change?: Change;
  options?: Subject["options"];
  buffered?: true;
  /** What it gives is what the store holds: this or an error, whatever fails. */
  reads?: true;
  /** It uses a folder beside the home, `besideFolder`. */
  beside?: true;
  /** It puts what others wrote on the disk first, and may find that this is in doubt. */
  settles?: true;
  /** When it fails it may have done what it does to the contents, and says so. */
  partly?: true;
  /** It begins with a damaged log, and a backup of it; `left` when the operation mends nothing. */
  damaged?: "mended" | "left";
}

/** The files of a log, by name. */
export type LogFiles = ReadonlyMap<string, Buffer>;

const LARGE = "l".repeat(100_000);

/** What all operations but the first find: two versions, an alias, a deleted version and a large value. */
export const baseChanges: Change[] = [
  (model, sequence) => model.save("a", '"one"', sequence),
  (model, sequence) => model.save("a", '"two"', sequence),
  (model) => model.setAlias("a", "x", 0),
  (model, sequence) => model.save("big", JSON.stringify(LARGE), sequence),
  (model, sequence) => model.save("gone", "1", sequence),
  (model) => model.delete("gone", 0),
];

export async function makeBase(store: ArtifactStore): Promise<void> {
  await store.save("a", "one");
  await store.save("a", "two");
  await store.setAlias("a", "x", 0);
  await store.save("big", LARGE);
  await store.save("gone", 1);
  await store.delete("gone:0");
}

async function open(subject: Subject, readOnly = false): Promise<void> {
  subject.store = await openOver(subject.disk, { ...subject.options, readOnly });
}

async function listAll(store: ArtifactStore): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const artifact of store.list({ allVersions: true }))
    found.push([artifact.ref, artifact.aliases, await artifact.value()]);
  return found;
}

const saved =
  (name: string, value: unknown): Change =>
  (model, sequence) =>
    model.save(name, JSON.stringify(value), sequence);

/** An operation on an open store. */
function call(
  name: string,
  run: (store: ArtifactStore, subject: Subject) => Promise<unknown>,
  change?: Change,
  more: Partial<Operation> = {},
): Operation {
  return {
    name,
    begin: "open",
    run: (subject) => run(subject.store!, subject),
    ...(change && { change }),
    ...more,
  };
}

/** A segment is full at once, so the next write begins another. */
const ROLLING = { options: { segmentBytesMax: 300 } };

const READS = { reads: true } as const;
const SETTLES = { settles: true } as const;

export const operations: Operation[] = [
  { name: "open new", begin: "nothing", run: (subject) => open(subject) },
  { name: "open existing", begin: "closed", run: (subject) => open(subject) },
  { name: "open after a reboot", begin: "rebooted", run: (subject) => open(subject) },
  { name: "open read-only", begin: "closed", run: (subject) => open(subject, true) },
  { name: "open read-only after a reboot", begin: "rebooted", run: (subject) => open(subject, true) },
  call("save small", (store) => store.save("a", "three"), saved("a", "three")),
  call("save large", (store) => store.save("l", { LARGE }), saved("l", { LARGE })),
  call("save buffered", (store) => store.save("a", "three"), saved("a", "three"), { buffered: true }),
  call("save and roll", (store) => store.save("a", "three"), saved("a", "three"), ROLLING),
  call("save an equal value", (store) => store.save("c", "one"), saved("c", "one")),
  call("save a file", saveFile, (model, sequence) => model.save("f", JSON.stringify(FILE), sequence)),
  call("batch", batch, (model, sequence) => {
    model.save("a", '"b1"', sequence);
    model.save("n", '"b2"', sequence);
    model.setAlias("n", "first", 0);
  }),
  call(
    "delete",
    (store) => store.delete("a:1"),
    (model) => model.delete("a", 1),
  ),
  call(
    "undelete",
    (store) => store.undelete("gone:0"),
    (model) => model.change("gone", 0, { deleted: false }),
  ),
  call(
    "annotate",
    (store) => store.annotate("a:1", { tags: { stage: "dev" } }),
    (model) => model.change("a", 1, { tags: { stage: "dev" } }),
  ),
  call(
    "set an alias",
    (store) => store.setAlias("a", "y", 1),
    (model) => model.setAlias("a", "y", 1),
  ),
  call(
    "delete an alias",
    (store) => store.deleteAlias("a", "x"),
    (model) => void model.aliases.delete("a@x"),
  ),
  call("load small", (store) => store.load("a:0"), undefined, READS),
  call("load large", (store) => store.load("big"), undefined, READS),
  call("get", async (store) => [...(await (await store.get("a@x")).bytes())], undefined, READS),
  call("list", listAll, undefined, READS),
  call("aliases", (store) => store.aliases("a"), undefined, READS),
  call("lineage", async (store) => (await store.lineage("a:0")).nodes, undefined, READS),
  call("stats", (store) => store.stats()),
  call("verify", (store) => store.verify({ full: true })),
  call("compact", (store) => store.compact(), undefined, SETTLES),
  call("compact a log of many segments", (store) => store.compact(), undefined, { ...ROLLING, ...SETTLES }),
  call("plan a compaction", (store) => store.compact({ dryRun: true }), undefined, READS),
  call(
    "prune",
    (store) => store.prune({ name: "big", keepLast: 0 }),
    (model) => model.delete("big", 0),
    {
      partly: true,
    },
  ),
  call("back up", backUp, undefined, { beside: true, ...SETTLES }),
  call("back up again", backUpAgain, undefined, { beside: true, ...SETTLES }),
  call("rebuild", (store) => store.rebuildIndex()),
  call("repair", (store) => repair(store), undefined, { damaged: "mended" }),
  call("a dry repair", (store) => repair(store, true), undefined, { damaged: "left" }),
  call("close", close),
  call("save and close", saveAndClose, saved("a", "three"), { buffered: true }),
];

function backUp(store: ArtifactStore, { disk }: Subject): Promise<unknown> {
  return store.backup(besideFolder(disk));
}

/** With what was saved since, and segments that were compacted. */
async function backUpAgain(store: ArtifactStore, { disk }: Subject): Promise<unknown> {
  const { fault } = disk.hooks;
  disk.hooks.fault = undefined;
  await store.backup(besideFolder(disk));
  await store.compact();
  disk.hooks.fault = fault;
  return store.backup(besideFolder(disk));
}

/** As `JSON.stringify` gives the bytes of a file. */
const FILE = new Uint8Array([102, 105, 108, 101]);

async function saveFile(store: ArtifactStore, { disk }: Subject): Promise<void> {
  const path = join(disk.home, "file-to-save");
  writeFileSync(path, FILE);
  await store.saveFile("f", path);
}

function batch(store: ArtifactStore): Promise<unknown> {
  return store.batch((calls) => {
    calls.save("a", "b1");
    calls.setAlias("n", "first", calls.save("n", "b2"));
  });
}

async function close(store: ArtifactStore, subject: Subject): Promise<void> {
  subject.store = undefined;
  await store.close();
}

async function saveAndClose(store: ArtifactStore, subject: Subject): Promise<void> {
  await store.save("a", "three");
  await close(store, subject);
}

const backupOf = (home: string) => join(home, "backup");

/** Damages the large value in the newest segment of a log, and puts a copy of what it was into the backup. */
export function damageLog(disk: SimulatedDisk, base: LogFiles): void {
  const backup = backupOf(disk.home);
  // The engine asks the real disk whether these folders are there, and which they are.
  for (const folder of [backup, disk.log]) mkdirSync(folder);
  disk.names.set(backup, ["folder"]);
  for (const [name, bytes] of base) {
    disk.names.set(join(backup, name), [new SimulatedFile(Buffer.from(bytes))]);
    const damaged = Buffer.from(bytes);
    const at = damaged.indexOf(LARGE.slice(0, 1000));
    if (at < 0) continue;
    damaged[at]! ^= 1;
    disk.place(name, damaged);
  }
}

/** Mends what `damageLog` did; a dry run says whether it could. */
export async function repair(store: ArtifactStore, dryRun = false): Promise<boolean> {
  return (await store.repair({ from: backupOf(store.home), dryRun })).ok;
}
