import { readFile, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";

/** A git checkout, read as the files that it is: no process is started here. */
export interface Checkout {
  /** The folder that has `.git`. */
  root: string;
  /** What belongs to this checkout alone. */
  gitFolder: string;
  /** What it shares with other checkouts of the same repository (`git worktree`). */
  commonFolder: string;
}

export interface Head {
  commit: string;
  /** Absent when no branch is checked out. */
  branch?: string;
}

const OBJECT_ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const BRANCHES = "refs/heads/";
/** A ref may name another ref; a circle of them must end. */
const SYMBOLIC_REFS_MAX = 5;

/** The checkout that `folder` is in. */
export async function findCheckout(folder: string): Promise<Checkout | undefined> {
  for (let root = resolve(folder); ; root = dirname(root)) {
    const gitFolder = await gitFolderOf(root);
    if (gitFolder) return { root, gitFolder, commonFolder: await commonFolderOf(gitFolder) };
    if (dirname(root) === root) return undefined;
  }
}

/** `.git` is a folder, or, in worktrees and submodules, a file that names one. */
async function gitFolderOf(root: string): Promise<string | undefined> {
  const path = join(root, ".git");
  const found = await stat(path).catch(() => undefined);
  if (!found) return undefined;
  if (found.isDirectory()) return (await readText(join(path, "HEAD"))) === undefined ? undefined : path;
  const named = /^gitdir: (.+)$/m.exec((await readText(path)) ?? "")?.[1];
  return named && resolve(root, named.trim());
}

async function commonFolderOf(gitFolder: string): Promise<string> {
  const named = await readText(join(gitFolder, "commondir"));
  return named === undefined ? gitFolder : resolve(gitFolder, named.trim());
}

/** What is checked out; undefined before the first commit, and where refs are kept in another way than files. */
export async function readHead(checkout: Checkout): Promise<Head | undefined> {
  let content = await readText(join(checkout.gitFolder, "HEAD"));
  let branch: string | undefined;
  for (let i = 0; i < SYMBOLIC_REFS_MAX && content !== undefined; i++) {
    const text = content.trim();
    if (OBJECT_ID.test(text)) return { commit: text, ...(branch !== undefined && { branch }) };
    const ref = /^ref: (.+)$/.exec(text)?.[1];
    if (ref === undefined || !isRefName(ref)) return undefined;
    if (ref.startsWith(BRANCHES)) branch ??= ref.slice(BRANCHES.length);
    content = await readRef(checkout, ref);
  }
  return undefined;
}

async function readRef({ gitFolder, commonFolder }: Checkout, ref: string): Promise<string | undefined> {
  const loose = (await readText(join(gitFolder, ref))) ?? (await readText(join(commonFolder, ref)));
  if (loose !== undefined) return loose;
  const packed = (await readText(join(commonFolder, "packed-refs"))) ?? "";
  return packed
    .split("\n")
    .find((line) => line.endsWith(` ${ref}`))
    ?.split(" ")[0];
}

/** A name that stays inside the folder of the refs. */
function isRefName(ref: string): boolean {
  return ref.startsWith("refs/") && !isAbsolute(ref) && !ref.split("/").includes("..");
}

function readText(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}
