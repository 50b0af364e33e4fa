/** The code that this one is compared with: the engine of another commit, driven by the benchmark of this one. */

import { execFile } from "node:child_process";
import { cp, mkdir, readdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { repository, resultsFolder } from "../build.ts";

/** Where a branch came from, when nothing else is said. */
const MAIN_BRANCHES = ["origin/main", "main"];
/** What measures is the same on both sides: only the engine is that of the base. */
const DRIVER = ["cli", "adapters", "package.json", "tsconfig.json"];

async function git(...words: string[]): Promise<string> {
  return (await promisify(execFile)("git", words, { cwd: repository })).stdout.trim();
}

const commitOf = (name: string): Promise<string | undefined> =>
  git("rev-parse", "--verify", "--quiet", `${name}^{commit}`).catch(() => undefined);

export interface Base {
  commit: string;
  /** In words. */
  what: string;
}

/** What there is to compare with, or why there is nothing. */
export async function findBase(against: string | undefined): Promise<Base | { missing: string }> {
  if (against !== undefined) {
    const commit = await commitOf(against);
    if (commit === undefined) throw new Error(`--against ${against}: git knows no such commit`);
    return { commit, what: against };
  }
  const head = await commitOf("HEAD");
  if (head === undefined) return { missing: "this is no git repository" };
  for (const branch of MAIN_BRANCHES) {
    const commit = await git("merge-base", "HEAD", branch).catch(() => undefined);
    if (commit && commit !== head) return sameOr({ commit, what: `the merge base with ${branch}` });
  }
  const before = await commitOf("HEAD~1");
  if (before === undefined) return { missing: "git has no commit before this one (a shallow clone?)" };
  return sameOr({ commit: before, what: "the commit before" });
}

async function sameOr(base: Base): Promise<Base | { missing: string }> {
  const isSame = await git("diff", "--quiet", base.commit, "--", "engine").then(
    () => true,
    () => false,
  );
  return isSame ? { missing: `the engine is that of ${base.what} (${base.commit.slice(0, 9)})` } : base;
}

/** Puts the sources of the base into the folder: outside the repository, whose own checks would take them for its own. */
export async function unpack({ commit }: Base, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const archive = join(folder, "engine.tar");
  await git("archive", "--output", archive, commit, "engine");
  await promisify(execFile)("tar", ["-xf", archive, "-C", folder]);
  await rm(archive);
  await symlink(join(repository, "node_modules"), join(folder, "node_modules"));
  const bench = (await readdir(join(repository, "bench"))).map((name) => join("bench", name));
  for (const name of [...DRIVER, ...bench])
    if (join(repository, name) !== resultsFolder)
      await cp(join(repository, name), join(folder, name), { recursive: true });
}
