import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { APPLICATION_SPACE } from "../../engine/index/rows.ts";
import type { FileSystem, LogFile } from "../../engine/log/file.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { listSegments } from "../../engine/log/segment.ts";
import type { OpenOptions } from "../../engine/open.ts";
import { openCore } from "../../engine/open.ts";
import { failure } from "../helpers/errors.ts";
import { copyHome } from "../helpers/folders.ts";
import type { Random } from "../helpers/random.ts";
import { openSeamStore } from "../helpers/stores.ts";

/** So small that some hundred artifacts fill several segments. */
export const SEGMENT_BYTES = 16 * 1024;

export function openSmall(home: string, options: Partial<OpenOptions> = {}): Promise<ArtifactStore> {
  return openSeamStore(home, { segmentBytesMax: SEGMENT_BYTES, minFreeSpace: 0, ...options });
}

/** Files of the log by name, with their sizes. */
export function logFiles(home: string): Map<string, number> {
  const folder = join(home, "log");
  const names = readdirSync(folder).sort();
  return new Map(names.map((name) => [name, statSync(join(folder, name)).size]));
}

export function logBytes(home: string): number {
  return [...logFiles(home).values()].reduce((sum, size) => sum + size, 0);
}

/** What a store should have: the value of each live version, and those that were deleted. */
export class Expected {
  readonly live = new Map<string, unknown>();
  readonly deleted = new Map<string, unknown>();

  async save(store: ArtifactStore, name: string, value: unknown, inputs: string[] = []): Promise<string> {
    const { ref } = await store.save(name, value, { inputs });
    this.live.set(ref, value);
    return ref;
  }

  async delete(store: ArtifactStore, ref: string): Promise<void> {
    await store.delete(ref);
    this.deleted.set(ref, this.live.get(ref));
    this.live.delete(ref);
  }

  async undelete(store: ArtifactStore, ref: string): Promise<void> {
    await store.undelete(ref);
    this.live.set(ref, this.deleted.get(ref));
    this.deleted.delete(ref);
  }

  /** Everything that is live loads, and nothing else is there. */
  async check(store: ArtifactStore): Promise<void> {
    const found = new Set<string>();
    for await (const { ref } of store.list({ allVersions: true })) found.add(ref);
    assert.equal([...found].sort(), [...this.live.keys()].sort());
    for (const [ref, value] of this.live) {
      assert.equal(await store.load(ref), value, ref);
      assert.ok((await store.get(ref)).size > 0);
    }
    for (const ref of this.deleted.keys()) await failure(store.load(ref), "NOT_FOUND");
    assert.equal((await store.verify({ full: true })).problems, []);
  }

  /** No row names a file that is not in effect any more. */
  async checkPlaces(home: string): Promise<void> {
    const { core, release } = await openCore(home, { application: "artifact" });
    try {
      const ids = new Set(listSegments(nodeFileSystem, join(home, "log")));
      core.refresh();
      const range = { start: Buffer.from([APPLICATION_SPACE]), end: Buffer.from([0xff]) };
      for (const { key, row } of core.catalog.rows(range))
        for (const place of [row.place, row.blob])
          assert.ok(!place || ids.has(place.segment), `${key} names segment ${place?.segment}`);
      for (const { row } of core.catalog.blobs()) assert.ok(ids.has(row.place.segment));
    } finally {
      await release();
    }
  }

  /** Here, in a copy that has nothing of lock and boot, and with an index that was made from the log. */
  async checkEverywhere(home: string, store: ArtifactStore): Promise<void> {
    await this.check(store);
    const copy = await openSmall(copyHome(home));
    await this.check(copy);
    await copy.close();
    const before = await store.stats();
    await store.rebuildIndex();
    await this.check(store);
    // What is moved is counted as what the log says; the sizes of values are those that were known when they were saved.
    const same = { indexBytes: 0, valueBytes: 0 };
    assert.equal({ ...(await store.stats()), ...same }, { ...before, ...same });
  }
}

/** A value of some length, which another one may have too. */
export function someValue(random: Random): unknown {
  const size = random.next() < 0.2 ? 20 : 200 + random.below(3000);
  const n = random.next() < 0.3 ? random.below(5) : random.below(1_000_000);
  return { n, text: `${n} `.repeat(Math.ceil(size / 4)).slice(0, random.next() < 0.3 ? 400 : size) };
}

/** Saves, and deletes some of it again. */
export async function fill(
  store: ArtifactStore,
  expected: Expected,
  random: Random,
  saves: number,
  deleted = 0.5,
): Promise<void> {
  for (let i = 0; i < saves; i++) {
    const live = [...expected.live.keys()];
    const inputs = live.length > 0 && random.next() < 0.2 ? [live[random.below(live.length)]!] : [];
    await expected.save(store, `name${random.below(8)}`, someValue(random), inputs);
    if (random.next() < 0.1) await store.annotate([...expected.live.keys()].at(-1)!, { tags: { i: `${i}` } });
    if (random.next() < deleted) {
      const all = [...expected.live.keys()];
      await expected.delete(store, all[random.below(all.length)]!);
    }
  }
}

/** The disk, which tells of each call before and after it is done. */
export class MomentFiles implements FileSystem {
  count = 0;
  /** Is told of each moment; what is thrown before a call fails it. */
  onMoment: ((n: number, call: string) => void) | undefined;

  #at(call: string): void {
    this.onMoment?.(++this.count, call);
  }

  #around<T>(call: string, action: () => T): T {
    this.#at(`before ${call}`);
    const result = action();
    // Nothing is said behind what only looks.
    return result;
  }

  open(path: string, mode: "read" | "append" | "create"): LogFile {
    const file = this.#around(`open to ${mode}`, () => nodeFileSystem.open(path, mode));
    return {
      read: (into, position, length) => this.#around("read", () => file.read(into, position, length)),
      readAsync: async (into, position) => {
        this.#at("before readAsync");
        return file.readAsync(into, position);
      },
      append: (pieces) => this.#around("append", () => file.append(pieces)),
      size: () => file.size(),
      sync: () => this.#around("sync", () => file.sync()),
      syncAsync: async () => {
        this.#at("before syncAsync");
        await file.syncAsync();
      },
      close: () => file.close(),
      closeAsync: () => file.closeAsync(),
    };
  }

  exists = nodeFileSystem.exists;
  sizeOf = nodeFileSystem.sizeOf;
  makeFolder = nodeFileSystem.makeFolder;
  type = nodeFileSystem.type;
  freeBytes = nodeFileSystem.freeBytes;

  list(folder: string): string[] {
    return this.#around("list", () => nodeFileSystem.list(folder));
  }

  publish(from: string, to: string): void {
    this.#around("publish", () => nodeFileSystem.publish(from, to));
    this.#at("after publish");
  }

  link(from: string, to: string): void {
    this.#around("link", () => nodeFileSystem.link(from, to));
  }

  replace(from: string, to: string): void {
    this.#around("replace", () => nodeFileSystem.replace(from, to));
  }

  remove(path: string): void {
    this.#around("remove", () => nodeFileSystem.remove(path));
    this.#at("after remove");
  }

  syncFolder(path: string): void {
    this.#around("syncFolder", () => nodeFileSystem.syncFolder(path));
    this.#at("after syncFolder");
  }
}
