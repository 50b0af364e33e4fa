import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fastFolder, newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";
import { allVersions, textOf } from "./backup-support.ts";

const test = suite("backup of a store in use");

test.after.each(closeAll);
test.after.each(killPrograms);

const MILLISECONDS = Number(process.env.VARVE_TEST_BACKUP_MILLISECONDS ?? 2_500);
const WRITERS = ["one", "two", "three"];

/** What a writer told: the operation of each save, and how many saves it had made when a deletion was acknowledged. */
interface Told {
  saves: number[];
  deletions: { version: number; after: number }[];
}

/** A backup as it was right after it was made. */
interface Seen {
  sequence: number;
  /** By name: whether each version is deleted. */
  versions: Map<string, boolean[]>;
}

async function toldBy(program: Program): Promise<Told> {
  const told: Told = { saves: [], deletions: [] };
  for (const { saved, sequence, deleted } of await program.rest()) {
    if (saved !== undefined) told.saves.push(sequence);
    else if (deleted !== undefined) told.deletions.push({ version: deleted, after: told.saves.length });
  }
  return told;
}

/** Every value is read, and compared with what was saved under that number. */
async function look(folder: string, sequence: number): Promise<Seen> {
  const store = await openTestStore(folder, { readOnly: true });
  assert.equal((await store.verify({ full: true })).problems, []);
  assert.is((await store.stats()).sequence, sequence);
  const versions = new Map<string, boolean[]>(WRITERS.map((name) => [name, []]));
  for await (const artifact of allVersions(store)) {
    const { name, version, deleted } = artifact;
    versions.get(name)![version] = deleted;
    if (!deleted) assert.is(await artifact.value(), textOf(name, version));
  }
  await store.close();
  return { sequence, versions };
}

function agrees({ sequence, versions }: Seen, name: string, { saves, deletions }: Told): void {
  const found = versions.get(name)!;
  const saved = saves.filter((each) => each <= sequence).length;
  assert.is(found.length, saved, `${name} at operation ${sequence}`);
  const deleted = new Map(deletions.map(({ version, after }) => [version, after]));
  found.forEach((isDeleted, version) => {
    const after = deleted.get(version);
    // The operation of a deletion is not told: it lies between the saves before and behind it.
    if (after === undefined || saved < after)
      assert.is(isDeleted, false, `${name}:${version} at ${sequence}`);
    else if (saved > after) assert.is(isDeleted, true, `${name}:${version} at ${sequence}`);
  });
}

for (const where of ["the same disk", "another disk"]) {
  test(`each is the store at its operation, while others save, delete and compact, on ${where}`, async () => {
    const home = newFolder();
    await (await openTestStore(home)).close();
    const programs = [...WRITERS, "compact"].map(
      (name) => new Program("../store/backup-user.ts", [home, name]),
    );
    for (const program of programs) await program.expect();
    const telling = programs.map(toldBy);
    const parent = where === "the same disk" ? newFolder() : newFolder(fastFolder());
    mkdirSync(parent, { recursive: true });
    const seen: Seen[] = [];
    const until = Date.now() + MILLISECONDS;
    for (let n = 0; Date.now() < until || n < 4; n++) {
      const store = await openTestStore(home, { readOnly: n % 2 === 0, lockWaitMax: 60_000 });
      // To the same folder, and now and then to a new one.
      const folder = join(parent, n % 4 === 3 ? `backup-${n}` : "backup");
      const { sequence, problems } = await store.backup(folder, { verify: true });
      assert.equal(problems, []);
      await store.close();
      seen.push(await look(folder, sequence));
    }
    for (const program of programs) await program.end();
    const told = await Promise.all(telling);
    for (const each of seen) for (const [i, name] of WRITERS.entries()) agrees(each, name, told[i]!);
    assert.ok(seen.at(-1)!.sequence > seen[0]!.sequence);
  });
}

test.run();
