import { join } from "node:path";
import * as assert from "uvu/assert";
import type { Artifact, ArtifactStore } from "../../engine/api.ts";
import { systemError, WatchedFiles } from "../helpers/files.ts";
import { fingerprint, newFolder } from "../helpers/folders.ts";
import { openSeamStore, openTestStore } from "../helpers/stores.ts";

/** Some three artifacts a segment. */
export const SMALL = { segmentBytesMax: 1500 };
export const textOf = (name: string, n: number) => `${name}-${n}-${"x".repeat(300)}`;

export async function saveSome(store: ArtifactStore, name: string, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await store.save(name, textOf(name, n));
}

export async function* allVersions(store: ArtifactStore): AsyncGenerator<Artifact> {
  yield* store.list({ allVersions: true });
  yield* store.list({ deleted: true });
}

/** What a store says of itself: every version with its value, deleted ones too, and the aliases. */
export async function stateOf(store: ArtifactStore): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const artifact of allVersions(store)) {
    const { ref, sequence, digest, tags, aliases, deleted } = artifact;
    found.push([ref, sequence, digest, tags, aliases, deleted, deleted ? undefined : await artifact.value()]);
  }
  return found;
}

/** The disks of a store and its backup, of which neither can hold files of the other under a second name. */
export class UnlinkedFiles extends WatchedFiles {
  readonly #code: string;

  constructor(code = "EXDEV") {
    super();
    this.#code = code;
  }

  override link(from: string, to: string): void {
    // What a repair keeps is on the disk of the home.
    if (to.endsWith(".tmp")) throw systemError(this.#code, "link");
    super.link(from, to);
  }
}

/** A store of several small segments, and a folder for its backup that is not there yet. */
export async function filledStore(files = new WatchedFiles()) {
  const home = newFolder();
  const store = await openSeamStore(home, { files, ...SMALL });
  await saveSome(store, "a", 10);
  await store.save("tagged", 1, { tags: { stage: "dev" } });
  await store.setAlias("a", "best", 3);
  await store.delete("a:5");
  return { home, store, files, to: `${newFolder()}/backup` };
}

/** The folder as a store: whole, and what `expected` says. */
export async function isState(folder: string, expected: unknown[], message = ""): Promise<void> {
  const store = await openTestStore(folder, { readOnly: true });
  assert.equal((await store.verify({ full: true })).problems, [], message);
  assert.equal(await stateOf(store), expected, message);
  await store.close();
}

/** Names, sizes, times and contents of its segments. */
export const filesOf = (folder: string) => fingerprint(join(folder, "log"));
