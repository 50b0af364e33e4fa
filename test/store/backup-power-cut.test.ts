import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VarveError } from "../../engine/errors.ts";
import type { FileSystem } from "../../engine/log/file.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import type { CrashState } from "../crash/power-cut-states.ts";
import { crashStates } from "../crash/power-cut-states.ts";
import { SimulatedDisk } from "../crash/simulated-disk.ts";
import { SimulatedFile } from "../crash/simulated-file.ts";
import { systemError } from "../helpers/files.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";
import { filledStore, SMALL, saveSome, stateOf } from "./backup-support.ts";

const test = suite("backup, over power cuts");

test.after.each(closeAll);

/** How many states of the disk are looked at, of each kind of backup. */
const STATES_MAX = Number(process.env.VARVE_TEST_BACKUP_STATES ?? 40);
const SEED = Number(process.env.VARVE_TEST_SEED ?? Date.now() % 1_000_000);

/** The store on the real disk, the log of its backup on a simulated one; a link between them is one that is allowed. */
function twoDisks(disk: SimulatedDisk, links: boolean): FileSystem {
  const of = (path: string): FileSystem =>
    path === disk.log || path.startsWith(`${disk.log}/`) ? disk : nodeFileSystem;
  const link = (from: string, to: string) => {
    if (of(from) === of(to)) return of(to).link(from, to);
    if (!links) throw systemError("EXDEV", "link");
    // What is sealed has been on the disk for long; its new name has not.
    const call = { kind: "link", path: to } as const;
    disk.hooks.moment?.(call, "before");
    disk.names.set(to, [...(disk.names.get(to) ?? [undefined]), new SimulatedFile(readFileSync(from))]);
    disk.hooks.moment?.(call, "after");
  };
  return {
    open: (path, mode) => of(path).open(path, mode),
    exists: (path) => of(path).exists(path),
    sizeOf: (path) => of(path).sizeOf(path),
    list: (path) => of(path).list(path),
    makeFolder: (path) => of(path).makeFolder(path),
    publish: (from, to) => of(to).publish(from, to),
    link,
    replace: (from, to) => of(to).replace(from, to),
    remove: (path) => of(path).remove(path),
    syncFolder(path) {
      of(path).syncFolder(path);
      if (disk.log.startsWith(`${path}/`)) disk.syncFolder(path);
    },
    type: (path) => of(path).type(path),
    freeBytes: (path) => of(path).freeBytes(path),
  };
}

/** A rename leaves a file its old name, its new one or both, never none; the states that are drawn know names only one by one. */
function isPossible({ files }: CrashState, written: ReadonlyMap<string, Buffer>): boolean {
  const names = namesIn(files?.get("unfinished-backup.json"));
  return names.every(([from, to]) => files!.has(from) || files!.get(to)?.equals(written.get(to)!));
}

function namesIn(claim: Buffer | undefined): [from: string, to: string][] {
  try {
    return Object.entries(JSON.parse(String(claim)).names);
  } catch {
    return [];
  }
}

/** The state of a backup after the power cut, as a store finds it; undefined where there is none. */
async function found({ files }: CrashState): Promise<unknown[] | undefined> {
  const folder = join(newFolder(), "backup");
  mkdirSync(join(folder, "log"), { recursive: true });
  for (const [name, bytes] of files ?? []) writeFileSync(join(folder, "log", name), bytes);
  try {
    const store = await openTestStore(folder, { readOnly: true });
    assert.equal((await store.verify({ full: true })).problems, []);
    const state = await stateOf(store);
    await store.close();
    return state;
  } catch (error) {
    if (error instanceof VarveError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
}

for (const [links, isFirst] of [
  [true, false],
  [false, false],
  [true, true],
] as const) {
  const which = `${isFirst ? "a first" : "another"} backup ${links ? "by links" : "by copies"}`;
  test(`the power cut in the middle of ${which} leaves what was there before, or the new one`, async () => {
    const random = new Random("backup", SEED);
    const { home, store, to } = await filledStore();
    if (!isFirst) await store.backup(to, { copy: true });
    const earlier = isFirst ? undefined : await stateOf(store);
    await saveSome(store, "b", 9);
    for (const ref of ["a:2", "b:1", "b:4"]) await store.delete(ref);
    await store.compact();
    const now = await stateOf(store);
    await store.close();
    const disk = new SimulatedDisk(to);
    if (!isFirst) {
      disk.placeLogFolder();
      for (const name of readdirSync(disk.log)) disk.place(name, readFileSync(join(disk.log, name)));
    }
    const states = new Map<string, CrashState>();
    disk.hooks.moment = () => {
      for (const state of crashStates(disk, random, 4)) states.set(state.hash, state);
    };
    const again = await openSeamStore(home, { ...SMALL, files: twoDisks(disk, links) });
    await again.backup(to);
    disk.hooks.moment = undefined as never;
    const [last] = crashStates(disk, random, 0);
    assert.equal(await found(last!), now, "acknowledged, it is on the disk");
    assert.equal(disk.misuse, []);
    const possible = [...states.values()].filter((state) => isPossible(state, disk.contents()));
    // Of most seeds they would be among those that are drawn.
    const ends = [possible[0]!, last!];
    const drawn = possible.sort(() => random.below(2) * 2 - 1).slice(0, STATES_MAX);
    drawn.push(...ends);
    const seen = new Set<string>();
    for (const state of drawn) {
      const is = JSON.stringify(await found(state));
      const name =
        is === JSON.stringify(now) ? "now" : is === JSON.stringify(earlier) ? "earlier" : undefined;
      assert.ok(name, `seed ${SEED}: ${state.how}: ${[...(state.files?.keys() ?? [])].join(" ")}`);
      seen.add(name!);
    }
    assert.ok(drawn.length > 10, `${drawn.length}`);
    assert.is(seen.size, 2, [...seen].join());
  });
}

test.run();
