import { resolve } from "node:path";
import type { Artifact, ArtifactStore, Directory } from "../api.ts";
import { invalid } from "../argument.ts";
import { contentDigest, digestText, parseDigest } from "../blob/digest.ts";
import { chunksOf } from "../chunk/chunks.ts";
import { encodeNode } from "../chunk/node.ts";
import type { TreeEntry } from "../directory/entry.ts";
import { ManifestWriter } from "../directory/manifest-writer.ts";
import { LARGE_BYTES_MIN } from "../directory/read-file.ts";
import { VarveError } from "../errors.ts";
import type { BlobStore, Digest } from "../ports/blob-store.ts";
import type { BlobProblem } from "./check-blobs.ts";
import { ListedPieces } from "./list-root.ts";
import { isDirectory } from "./values.ts";

export type OpenFolder = (folder: string) => Promise<ArtifactStore>;
type Pieces = AsyncIterable<Uint8Array>;

/** A store whose values lie in a place of their own: what is in it can be had without asking for artifacts. */
export interface WithBlobs {
  readonly blobs: BlobStore;
}

/** Stores that may have sound copies. They are only read. */
export class RepairSources {
  readonly #stores: ArtifactStore[];
  readonly #opened: ArtifactStore[];
  /** Of the directory that was asked for last: its nodes, made again from what it lists. */
  #nodes: { root: string; nodes: Map<string, Uint8Array> } | undefined;

  private constructor(stores: ArtifactStore[], opened: ArtifactStore[]) {
    this.#stores = stores;
    this.#opened = opened;
  }

  /** @throws INVALID_ARGUMENT; as `openStore` for a folder that is none of a store */
  static async open(from: unknown, openFolder: OpenFolder): Promise<RepairSources> {
    const given: unknown[] = Array.isArray(from) ? from : from === undefined ? [] : [from];
    const sources = new RepairSources([], []);
    try {
      for (const each of given) {
        if (typeof each === "string" && each !== "") {
          const store = await openFolder(resolve(each));
          sources.#opened.push(store);
          sources.#stores.push(store);
        } else sources.#stores.push(storeIn(each));
      }
      return sources;
    } catch (error) {
      await sources.close();
      throw error;
    }
  }

  get isEmpty(): boolean {
    return this.#stores.length === 0;
  }

  async close(): Promise<void> {
    for (const store of this.#opened) await store.close();
  }

  /** Ways to the bytes of a blob, the nearest first. Whether they are sound is to be seen. */
  async *copies(problem: BlobProblem): AsyncGenerator<() => Pieces> {
    for (const store of this.#stores) {
      const direct = await copyInBlobs(store, problem.digest);
      if (direct) yield direct;
      yield* this.#copiesIn(store, problem);
    }
  }

  /** Artifacts of that digest. */
  async *artifacts(digest: Digest): AsyncGenerator<Artifact> {
    for (const store of this.#stores) yield* artifactsWith(store, digest);
  }

  async *#copiesIn(store: ArtifactStore, { digest, size, tree }: BlobProblem): AsyncGenerator<() => Pieces> {
    const same = size === undefined ? undefined : await artifactWith(store, digest);
    if (same && !isDirectory(same)) yield () => same.stream();
    const directory = tree && (await directoryWith(store, tree.root));
    if (!directory) return;
    const { path } = tree;
    if (path !== undefined) yield () => directory.stream(path);
    else {
      const node = (await this.#nodesOf(directory, tree.root)).get(digestText(digest));
      if (node) yield () => once(node);
    }
  }

  async #nodesOf(directory: Directory, root: Digest): Promise<Map<string, Uint8Array>> {
    if (this.#nodes?.root === digestText(root)) return this.#nodes.nodes;
    const nodes = await manifestNodes(directory);
    this.#nodes = { root: digestText(root), nodes };
    return nodes;
  }
}

function storeIn(given: unknown): ArtifactStore {
  const store = given as Partial<ArtifactStore> | null | undefined;
  if (typeof store === "object" && typeof store?.list === "function") return store as ArtifactStore;
  throw invalid(
    "`from` is neither a folder nor a store",
    "give the folder of a backup or of another store, an open store, or several of them",
  );
}

async function copyInBlobs(store: ArtifactStore, digest: Digest): Promise<(() => Pieces) | undefined> {
  const { blobs } = store as Partial<WithBlobs>;
  const size = await blobs?.sizeOf(digest);
  return size === undefined ? undefined : () => blobs!.pieces(digest, size);
}

async function* artifactsWith(store: ArtifactStore, digest: Digest): AsyncGenerator<Artifact> {
  for (const deleted of [false, true])
    yield* store.list({ digest: digestText(digest), allVersions: true, deleted });
}

async function artifactWith(store: ArtifactStore, digest: Digest): Promise<Artifact | undefined> {
  for await (const artifact of artifactsWith(store, digest)) return artifact;
  return undefined;
}

/** Undefined where it can't be opened there either. */
async function directoryWith(store: ArtifactStore, root: Digest): Promise<Directory | undefined> {
  const found = await artifactWith(store, root);
  if (!found || !isDirectory(found)) return undefined;
  return found.value<Directory>().catch((error: unknown) => {
    if (isNoCopy(error)) return undefined;
    throw error;
  });
}

/** Whether a copy is not there, not sound, or in a backend that its store has no address of: the next one may do. */
export function isNoCopy(error: unknown): boolean {
  return error instanceof VarveError && ["CORRUPTION", "NOT_FOUND", "CONFIG"].includes(error.code);
}

/** A tree has one form, so that what it lists gives the same nodes again. */
async function manifestNodes(directory: Directory): Promise<Map<string, Uint8Array>> {
  const nodes = new Map<string, Uint8Array>();
  const writer = new ManifestWriter(({ references, content }) => {
    const bytes = encodeNode(Buffer.concat(references), content);
    const digest = contentDigest(bytes);
    nodes.set(digestText(digest), bytes);
    return digest;
  });
  for await (const entry of directory.list()) {
    const { path, kind, size, executable, target, digest } = entry;
    if (kind === "directory") writer.add({ kind, path });
    else if (kind === "link") writer.add({ kind, path, target: target! });
    else {
      const root = size >= LARGE_BYTES_MIN ? await listRoot(directory, path) : undefined;
      const file: TreeEntry = { kind, path, size, executable, digest: parseDigest(digest!) };
      writer.add({ ...file, ...(root && { root }) });
    }
  }
  writer.finish();
  return nodes;
}

async function listRoot(directory: Directory, path: string): Promise<Uint8Array | undefined> {
  const listed = new ListedPieces(chunksOf(directory.stream(path)));
  for await (const _ of listed.pieces());
  return listed.root;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
