import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Checkout } from "../../engine/environment/git.ts";
import { findCheckout, readHead } from "../../engine/environment/git.ts";
import { DIFF_BYTES_MAX, isDirty, readDiff } from "../../engine/environment/git-process.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";

const test = suite("the checkout");
test.after.each(removeFolders);

// Nothing else keeps the process alive while git runs: the store must not either.
let alive: NodeJS.Timeout;
test.before(() => {
  alive = setInterval(() => {}, 1_000);
});
test.after(() => clearInterval(alive));

const going = new AbortController().signal;

function git(folder: string, ...args: string[]): string {
  const who = ["-c", "user.name=ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main"];
  return execFileSync("git", ["-C", folder, ...who, ...args], { encoding: "utf8", stdio: "pipe" }).trim();
}

/** A repository with one commit of `a.txt`. */
function newRepository(): string {
  const folder = newFolder();
  git(folder, "init", "--quiet");
  writeFileSync(join(folder, "a.txt"), "one\n");
  git(folder, "add", ".");
  git(folder, "commit", "--quiet", "-m", "first");
  return folder;
}

async function checkoutOf(folder: string): Promise<Checkout> {
  const found = await findCheckout(folder);
  assert.ok(found);
  return found!;
}

test("commit and branch are found from a folder below, as git tells them", async () => {
  const folder = newRepository();
  const below = join(folder, "x", "y");
  mkdirSync(below, { recursive: true });
  const checkout = await checkoutOf(below);
  assert.is(checkout.root, folder);
  assert.equal(await readHead(checkout), { branch: "main", commit: git(folder, "rev-parse", "HEAD") });
});

test("packed refs, branches with slashes and a detached head are read", async () => {
  const folder = newRepository();
  git(folder, "checkout", "--quiet", "-b", "feature/one");
  git(folder, "pack-refs", "--all");
  const commit = git(folder, "rev-parse", "HEAD");
  const checkout = await checkoutOf(folder);
  assert.equal(await readHead(checkout), { branch: "feature/one", commit });
  git(folder, "checkout", "--quiet", "--detach");
  assert.equal(await readHead(checkout), { commit });
});

test("a newer loose ref wins over the packed one", async () => {
  const folder = newRepository();
  git(folder, "pack-refs", "--all");
  git(folder, "commit", "--quiet", "--allow-empty", "-m", "second");
  const head = await readHead(await checkoutOf(folder));
  assert.is(head!.commit, git(folder, "rev-parse", "HEAD"));
});

test("a worktree has its own head and shares the refs", async () => {
  const folder = newRepository();
  const tree = join(newFolder(), "tree");
  git(folder, "worktree", "add", "--quiet", "-b", "other", tree);
  git(tree, "commit", "--quiet", "--allow-empty", "-m", "in the tree");
  git(folder, "pack-refs", "--all");
  const checkout = await checkoutOf(tree);
  assert.equal(await readHead(checkout), { branch: "other", commit: git(tree, "rev-parse", "HEAD") });
  assert.is(await isDirty(checkout, going), false);
  writeFileSync(join(tree, "a.txt"), "two\n");
  assert.is(await isDirty(checkout, going), true);
  assert.is(await isDirty(await checkoutOf(folder), going), false);
});

test("before the first commit, and outside of checkouts, there is no commit", async () => {
  const folder = newFolder();
  git(folder, "init", "--quiet");
  assert.is(await readHead(await checkoutOf(folder)), undefined);
  const plain = newFolder();
  mkdirSync(join(plain, ".git"));
  assert.is(await findCheckout(plain), undefined);
});

test("refs that lead in a circle or out of the repository end the search", async () => {
  const folder = newRepository();
  const checkout = await checkoutOf(folder);
  writeFileSync(join(folder, ".git", "refs", "heads", "circle"), "ref: refs/heads/circle\n");
  writeFileSync(join(folder, ".git", "HEAD"), "ref: refs/heads/circle\n");
  assert.is(await readHead(checkout), undefined);
  writeFileSync(join(folder, ".git", "HEAD"), "ref: refs/../../a.txt\n");
  assert.is(await readHead(checkout), undefined);
});

test("a changed or staged file is dirty, an untracked one is not", async () => {
  const folder = newRepository();
  const checkout = await checkoutOf(folder);
  writeFileSync(join(folder, "untracked.txt"), "x");
  assert.is(await isDirty(checkout, going), false);
  git(folder, "add", "untracked.txt");
  assert.is(await isDirty(checkout, going), true);
});

test("the diff is that to the commit, and cut to whole lines at 1 MiB", async () => {
  const folder = newRepository();
  const checkout = await checkoutOf(folder);
  assert.equal(await readDiff(checkout, going), { text: "", truncated: false });
  writeFileSync(join(folder, "a.txt"), "two\n");
  const small = await readDiff(checkout, going);
  assert.match(small!.text, /-one\n\+two\n/);
  assert.is(small!.truncated, false);
  writeFileSync(join(folder, "a.txt"), "a line of the large file\n".repeat(60_000));
  const large = await readDiff(checkout, going);
  assert.is(large!.truncated, true);
  assert.ok(large!.text.length <= DIFF_BYTES_MAX && large!.text.length > DIFF_BYTES_MAX - 100);
  assert.ok(large!.text.endsWith("file\n"));
});

test("a program that the repository names for watching files is not run", async () => {
  const folder = newRepository();
  const trace = join(newFolder(), "ran");
  git(folder, "config", "core.fsmonitor", `touch ${trace}; false`);
  assert.is(await isDirty(await checkoutOf(folder), going), false);
  assert.is(existsSync(trace), false);
});

test("what git can't tell is not known, and nothing is thrown", async () => {
  const folder = newRepository();
  const checkout = await checkoutOf(folder);
  writeFileSync(join(folder, ".git", "index"), "broken");
  assert.is(await isDirty(checkout, going), undefined);
  assert.is(await isDirty(checkout, AbortSignal.abort()), undefined);
});

test.run();
