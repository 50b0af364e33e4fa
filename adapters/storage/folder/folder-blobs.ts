import { open, rename, rm, stat, utimes } from "node:fs/promises";
import type {
  BlobFacts,
  BlobSpan,
  BlobStore,
  CallOptions,
  Digest,
  ListedBlob,
} from "../../../engine/main.ts";
import { CallGuard, fromSystemError, piecesOf, readOnlyError, throwIfAborted } from "../../../engine/main.ts";
import { otherBytes, othersValues, temporaryGone } from "./failures.ts";
import type { FolderSyncs } from "./folder-syncs.ts";
import { FreeRoom } from "./free-room.ts";
import type { Layout } from "./layout.ts";
import { hex } from "./layout.ts";
import { listBlobs } from "./list-blobs.ts";
import { readOwner, writeOwner } from "./owner.ts";
import { PlaceClock } from "./place-clock.ts";
import type { OpenBlob } from "./read-blob.ts";
import { checkLength, notThere, piecesOfSpan, readSpan } from "./read-blob.ts";
import { collectLeft, makeShard, placesOfRemoved, removeBlob, removeEmptyShards } from "./removed.ts";
import { forEachOf, isCode, unlessMissing } from "./system.ts";
import type { WriteSettings } from "./write-blob.ts";
import { writeBytes, writePieces } from "./write-blob.ts";

/** Times of files go by steps of the clock of the system. */
const PUT_AT_SLACK_MILLISECONDS = 20;
/** Longer bytes may be in the caller's memory still: they are digested as they are written. */
const TRUSTED_BYTES_MAX = 1024 * 1024;
const REMOVED_AT_ONCE = 8;
/** A folder may be removed for being empty right before something is put into it. */
const TRIES = 10;

export interface FolderSettings {
  durable: boolean;
  readOnly: boolean;
  minFreeSpace: number;
}

/** Blobs as files of a folder, named by their digests. README.md shows how it looks, and why nothing of it needs a lock. */
export class FolderBlobs implements BlobStore {
  readonly capabilities = {
    name: "folder",
    sharesChunks: false,
    isRemote: false,
    putAtSlackMilliseconds: PUT_AT_SLACK_MILLISECONDS,
    putsAtOnce: 16,
  };
  readonly #layout: Layout;
  readonly #syncs: FolderSyncs;
  readonly #readOnly: boolean;
  readonly #clock: PlaceClock;
  readonly #writing: WriteSettings;
  readonly #calls = new CallGuard("folder of values");

  constructor(layout: Layout, syncs: FolderSyncs, { durable, readOnly, minFreeSpace }: FolderSettings) {
    this.#layout = layout;
    this.#syncs = syncs;
    this.#readOnly = readOnly;
    this.#clock = new PlaceClock(layout);
    const room = new FreeRoom(layout.folder, minFreeSpace);
    this.#writing = { durable, room, now: () => this.#clock.nowAbout() };
  }

  get location(): string {
    return this.#layout.folder;
  }

  storeId(): Promise<string | undefined> {
    return this.#read(undefined, () => readOwner(this.#layout));
  }

  bind(storeId: string): Promise<void> {
    return this.#read(undefined, async () => {
      let owner = await readOwner(this.#layout);
      if (owner === undefined && this.#readOnly) throw readOnlyError();
      owner ??= await writeOwner(this.#layout, storeId, this.#syncs);
      if (owner !== storeId) throw othersValues(this.location, owner);
    });
  }

  now(options?: CallOptions): Promise<number> {
    return this.#read(options, async () => (this.#readOnly ? Date.now() : this.#clock.now()));
  }

  put(bytes: Uint8Array, digest: Digest, options?: CallOptions): Promise<void> {
    return this.#change(options, async () => {
      if (await this.#touch(digest, bytes.length)) return;
      const temporary = this.#layout.newTemporary("put");
      if (bytes.length <= TRUSTED_BYTES_MAX) await writeBytes(temporary, bytes, this.#writing);
      else {
        const facts = await writePieces(temporary, piecesOf(once(bytes), options), this.#writing);
        if (hex(facts.digest) !== hex(digest)) {
          await rm(temporary, { force: true });
          throw otherBytes(digest);
        }
      }
      await this.#publish(temporary, digest);
    });
  }

  putPieces(pieces: AsyncIterable<Uint8Array>, options?: CallOptions): Promise<BlobFacts> {
    return this.#change(options, async () => {
      const temporary = this.#layout.newTemporary("put");
      const facts = await writePieces(temporary, piecesOf(pieces, options), this.#writing);
      if (await this.#touch(facts.digest, facts.size)) await rm(temporary, { force: true });
      else await this.#publish(temporary, facts.digest);
      return facts;
    });
  }

  get(digest: Digest, size: number, span?: BlobSpan, options?: CallOptions): Promise<Uint8Array> {
    return this.#read(options, async () => {
      const blob = await this.#open(digest, size);
      try {
        return await readSpan(blob, span ?? { start: 0, end: size }, options);
      } finally {
        await blob.file.close();
      }
    });
  }

  pieces(digest: Digest, size: number, span?: BlobSpan, options?: CallOptions): AsyncIterable<Uint8Array> {
    return this.#calls.iterate(options, () =>
      this.#typed(this.#pieces(digest, size, span ?? { start: 0, end: size }, options)),
    );
  }

  async *#pieces(
    digest: Digest,
    size: number,
    span: BlobSpan,
    options?: CallOptions,
  ): AsyncGenerator<Uint8Array> {
    const blob = await this.#open(digest, size);
    try {
      yield* piecesOfSpan(blob, span, options);
    } finally {
      await blob.file.close();
    }
  }

  sizeOf(digest: Digest, options?: CallOptions): Promise<number | undefined> {
    return this.#read(options, async () => {
      const found = await this.#find(digest, (path) => stat(path));
      return found?.size;
    });
  }

  list(options?: CallOptions): AsyncIterable<ListedBlob> {
    return this.#calls.iterateAll(options, () => this.#typed(listBlobs(this.#layout)));
  }

  remove(digests: readonly Digest[], putBefore: number, options?: CallOptions): Promise<Digest[]> {
    return this.#change(options, async () => {
      const gone = new Set<Digest>();
      await forEachOf(digests, REMOVED_AT_ONCE, async (digest) => {
        throwIfAborted(options?.signal);
        if (await removeBlob(this.#layout, this.#syncs, digest, putBefore)) gone.add(digest);
      });
      return digests.filter((digest) => gone.has(digest));
    });
  }

  collect(before: number, options?: CallOptions): Promise<number> {
    return this.#change(options, async () => {
      const freed = await collectLeft(this.#layout, this.#syncs, before);
      await removeEmptyShards(this.#layout);
      return freed;
    });
  }

  /** It would have to be added up from all files. */
  space(): Promise<undefined> {
    return this.#read(undefined, async () => undefined);
  }

  close(): Promise<void> {
    return this.#calls.close(async () => {});
  }

  /** Whether it is there already, and counts as put now; others may be about to remove it, or have it from before a power cut. */
  async #touch(digest: Digest, size: number): Promise<boolean> {
    const path = this.#layout.pathOf(digest);
    const found = await unlessMissing(stat(path));
    if (!found?.isFile() || found.size !== size) return false;
    const seconds = Math.ceil(await this.#clock.nowAbout()) / 1000;
    try {
      await utimes(path, seconds, seconds);
      // To open it asks the server, where there is one.
      await (await open(path, "r")).close();
    } catch (error) {
      // It has gone, or belongs to another user: then a copy of our own takes its place.
      if (isCode(error, "ENOENT", "EPERM", "EACCES")) return false;
      throw error;
    }
    await this.#syncs.shard(this.#layout.shardOf(digest));
    return true;
  }

  /** What is whole gets its name. */
  async #publish(temporary: string, digest: Digest): Promise<void> {
    const shard = this.#layout.shardOf(digest);
    try {
      for (let tries = 1; ; tries++) {
        const named = await unlessMissing(rename(temporary, this.#layout.pathOf(digest)).then(() => true));
        if (named) break;
        if (tries === TRIES || !(await unlessMissing(stat(temporary)))) throw temporaryGone(temporary);
        await makeShard(shard, this.#syncs);
      }
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      throw error;
    }
    await this.#syncs.shard(shard);
  }

  /** @throws NOT_FOUND, CORRUPTION */
  async #open(digest: Digest, size: number): Promise<OpenBlob> {
    const path = this.#layout.pathOf(digest);
    const file = await this.#find(digest, (at) => open(at, "r"));
    if (!file) throw notThere(path, digest);
    const blob = { file, path, digest, size };
    try {
      await checkLength(blob);
      return blob;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** What is found of a blob, also in the middle of its removal. */
  async #find<T>(digest: Digest, look: (path: string) => Promise<T>): Promise<T | undefined> {
    const found = await unlessMissing(look(this.#layout.pathOf(digest)));
    if (found !== undefined) return found;
    const syncs = this.#readOnly ? undefined : this.#syncs;
    for (const path of await placesOfRemoved(this.#layout, digest, syncs)) {
      const there = await unlessMissing(look(path));
      if (there !== undefined) return there;
    }
    return undefined;
  }

  #read<T>(options: CallOptions | undefined, action: () => Promise<T>): Promise<T> {
    return this.#calls.run(options, () => action().catch((error: unknown) => this.#fail(error)));
  }

  #change<T>(options: CallOptions | undefined, action: () => Promise<T>): Promise<T> {
    return this.#read(options, async () => {
      if (this.#readOnly) throw readOnlyError();
      return action();
    });
  }

  async *#typed<T>(items: AsyncGenerator<T>): AsyncGenerator<T> {
    try {
      yield* items;
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): never {
    throw fromSystemError(error, `using ${this.#layout.folder}`);
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
