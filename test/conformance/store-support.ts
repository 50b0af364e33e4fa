import * as assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Artifact, ArtifactStore, StoreOptions, VarveErrorCode } from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";

/** What a test may ask for of the store that it gets. */
export type StoreTestOptions = Pick<StoreOptions, "clock" | "codecs" | "environment" | "readOnly">;

/** A store that the suite was given. */
export interface OpenedStore {
  store: ArtifactStore;
  /** Another handle on the same store, while this one may be open. */
  again(options?: StoreTestOptions): Promise<ArtifactStore>;
  /** Whatever was put, or deleted, so far counts as old: nothing keeps a compaction from freeing it. */
  settle(): Promise<void>;
  /** Closes all handles, closed ones too, and removes the store. */
  close(): Promise<void>;
}

/** What the suite of stores needs: a way to name tests, and fresh stores. */
export interface StoreTesting {
  test(name: string, run: () => Promise<void>): void;
  /** An empty one; `environment` is false unless a test says otherwise. */
  open(options?: StoreTestOptions): Promise<OpenedStore>;
}

export interface StoreContext extends OpenedStore {
  /** A folder that goes with the test. */
  folder(): string;
}

export type StoreTest = (
  name: string,
  run: (store: ArtifactStore, context: StoreContext) => Promise<void>,
  options?: StoreTestOptions,
) => void;

/** Tests over a fresh store each. */
export function storeTests({ test, open }: StoreTesting, theme: string): StoreTest {
  return (name, run, options) =>
    test(`${theme}: ${name}`, async () => {
      const folders: string[] = [];
      const folder = () => {
        const made = mkdtempSync(join(tmpdir(), "varve-conformance-"));
        folders.push(made);
        return made;
      };
      const opened = await open(options);
      try {
        await run(opened.store, { ...opened, folder });
      } finally {
        await opened.close();
        for (const each of folders) rmSync(each, { recursive: true, force: true });
      }
    });
}

export async function refused(
  call: Promise<unknown> | (() => unknown),
  code: VarveErrorCode,
): Promise<VarveError> {
  try {
    await (typeof call === "function" ? call() : call);
  } catch (error) {
    if (!(error instanceof VarveError)) throw error;
    assert.equal(error.code, code, error.message);
    return error;
  }
  throw new assert.AssertionError({ message: `it was not refused with ${code}` });
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

export async function refs(artifacts: AsyncIterable<Artifact>): Promise<string[]> {
  return (await all(artifacts)).map(({ ref }) => ref);
}

/** Bytes that look the same in every run, and have nothing that repeats. */
export function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = seed * 2_654_435_761 + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Makes a tree of files by path; a path with a slash at its end is an empty folder. */
export function makeTree(root: string, files: Record<string, string | Uint8Array>): string {
  for (const [path, content] of Object.entries(files)) {
    const full = join(root, path);
    mkdirSync(path.endsWith("/") ? full : dirname(full), { recursive: true });
    if (!path.endsWith("/")) writeFileSync(full, content);
  }
  return root;
}
