import type { CallOptions, SaveDirectoryOptions } from "../api.ts";
import { contentDigest } from "../blob/digest.ts";
import { callOf } from "../call-options.ts";
import { chunksOf } from "../chunk/chunks.ts";
import { encodeNode } from "../chunk/node.ts";
import { DigestTable } from "../digest-table.ts";
import { captureTree } from "../directory/capture.ts";
import type { EarlierPiece } from "../directory/changes.ts";
import { EarlierTree } from "../directory/changes.ts";
import { IgnoreRules } from "../directory/ignore.ts";
import type { ManifestNode } from "../directory/node.ts";
import type { StoredContent, TreeSink } from "../directory/sink.ts";
import { VarveError } from "../errors.ts";
import { MEDIA_TYPE_DIRECTORY } from "../large/directory-source.ts";
import { checkGiven } from "../large/save-directory.ts";
import type { BlobStore } from "../ports/blob-store.ts";
import type { ValueFacts, VersionRecord } from "../ports/metadata-store.ts";
import { ListedPieces } from "./list-root.ts";
import type { Kept, Puts } from "./puts.ts";
import { Since } from "./puts.ts";
import { readNode } from "./version-blobs.ts";

/** Files and nodes that are put at the same time: the next ones wait, so that few are in memory. */
const PUTS_AHEAD = 16;
/** How often others may save under the same name meanwhile before all files are read. */
const COMPARISONS_MAX = 3;

export interface DirectorySave {
  blobs: BlobStore;
  puts: Puts;
  path: string;
  /** The version that was saved last under the name. */
  latest(): Promise<VersionRecord | undefined>;
  /** @param ifLatest what the new version may rest on: it is CONFLICT where that is the latest one no more */
  commit(value: ValueFacts, kept: readonly Kept[], ifLatest: number | undefined): Promise<VersionRecord>;
}

/**
 * Every file and every node of the manifest is one blob. What did not change since the last version is neither read nor put:
 * it is there as long as that version is live, which the commit makes sure of.
 * @throws UNSUPPORTED_VALUE, IO or CONFLICT that names the first file that can't be kept, read or relied on
 */
export async function saveDirectory(
  save: DirectorySave,
  options: SaveDirectoryOptions,
): Promise<VersionRecord> {
  const { ignore, checkContents, signal, onProgress, ...others } = options;
  const rules = new IgnoreRules(ignore);
  checkGiven(save.path, checkContents, others);
  const { ifVersion } = others;
  const call = callOf({ signal, onProgress });
  for (let comparisons = checkContents === true ? COMPARISONS_MAX : 0; ; comparisons++) {
    const earlier = comparisons < COMPARISONS_MAX ? await earlierTree(save, ifVersion) : undefined;
    const sink = new BlobSink(save.puts, signal);
    const tree = await captureTree(save.path, sink, { ignore: rules, earlier: earlier?.tree, ...call });
    await sink.drain();
    const { root: digest, size, stamps } = tree;
    const value = { digest, size, mediaType: MEDIA_TYPE_DIRECTORY, stamps };
    const ifLatest = earlier && sink.restsOnEarlier ? earlier.version : undefined;
    try {
      return await save.commit(value, sink.kept, ifLatest);
    } catch (error) {
      if (ifLatest === undefined || ifVersion !== undefined || !isConflict(error)) throw error;
    }
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof VarveError && error.code === "CONFLICT" && "ifVersion" in (error.details ?? {});
}

/**
 * Undefined where there is none that could be compared with: then all is read.
 * @param ifVersion what the commit asks for: it can make sure of no other one
 */
async function earlierTree(
  { blobs, latest }: DirectorySave,
  ifVersion: SaveDirectoryOptions["ifVersion"],
): Promise<{ version: number; tree: EarlierTree } | undefined> {
  const found = await latest();
  if (ifVersion !== undefined && found?.version !== ifVersion) return undefined;
  if (found?.mediaType !== MEDIA_TYPE_DIRECTORY || !found.stamps) return undefined;
  try {
    const load = (digest: Uint8Array) => readNode(blobs, digest);
    const tree = new EarlierTree(await load(found.digest), await load(found.stamps), load);
    return { version: found.version, tree };
  } catch (error) {
    if (error instanceof VarveError && (error.code === "CORRUPTION" || error.code === "NOT_FOUND"))
      return undefined;
    throw error;
  }
}

/** Puts what a folder consists of, each content once. */
class BlobSink implements TreeSink {
  readonly #puts: Puts;
  readonly #signal: AbortSignal | undefined;
  readonly #digests = new DigestTable();
  /** By number of the digest. */
  readonly #sizes: number[] = [];
  readonly #running = new Set<Promise<void>>();
  #failure: unknown;
  #since: Since | undefined;
  /** Whether anything was left where the last version has it. */
  restsOnEarlier = false;

  constructor(puts: Puts, signal: AbortSignal | undefined) {
    this.#puts = puts;
    this.#signal = signal;
  }

  /** All together are as old as the first of them. */
  get kept(): Kept[] {
    const since = this.#since;
    return since ? [new KeptTree(this.#puts, this.#digests, this.#sizes, since)] : [];
  }

  /** A promise only where something is waited for: there may be a million files. */
  putFile(bytes: Uint8Array, known?: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const digest = known ?? contentDigest(bytes);
    this.#put(bytes, digest);
    if (this.#failure === undefined && this.#running.size < PUTS_AHEAD) return digest;
    return this.#room().then(() => digest);
  }

  /** The lists of its chunks are made for the manifest alone, which is that of the embedded store; they are not put. */
  async putLarge(pieces: AsyncIterable<Uint8Array>): Promise<StoredContent> {
    await this.#room();
    this.#since ??= new Since();
    const listed = new ListedPieces(chunksOf(pieces, { signal: this.#signal }));
    const { digest, size } = await this.#puts.pieces(listed.pieces(), this.#call);
    this.#note(digest, size);
    const { root } = listed;
    return { digest, ...(root && { root }) };
  }

  putNode({ references, content }: ManifestNode): Uint8Array {
    const bytes = encodeNode(Buffer.concat(references), content);
    const digest = contentDigest(bytes);
    this.#put(bytes, digest);
    return digest;
  }

  isKept(): boolean {
    this.restsOnEarlier = true;
    return true;
  }

  isPieceKept(_: EarlierPiece): boolean {
    return this.isKept();
  }

  get #call(): CallOptions {
    return this.#signal ? { signal: this.#signal } : {};
  }

  async drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.race(this.#running);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #room(): Promise<void> {
    while (this.#running.size >= PUTS_AHEAD) await Promise.race(this.#running);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #put(bytes: Uint8Array, digest: Uint8Array): void {
    if (!this.#note(digest, bytes.length)) return;
    this.#since ??= new Since();
    const put = this.#puts
      .whole(bytes, digest, this.#call)
      .then(
        () => {},
        (error: unknown) => {
          this.#failure ??= error;
        },
      )
      .finally(() => this.#running.delete(put));
    this.#running.add(put);
  }

  /** Whether it is new. */
  #note(digest: Uint8Array, size: number): boolean {
    const number = this.#digests.add(digest, 0);
    if (number < this.#sizes.length) return false;
    this.#sizes.push(size);
    return true;
  }
}

/** All blobs of one tree. Their bytes are not in memory any more: those that are there count as put now. */
class KeptTree implements Kept {
  readonly #puts: Puts;
  readonly #digests: DigestTable;
  readonly #sizes: readonly number[];
  #since: Since;

  constructor(puts: Puts, digests: DigestTable, sizes: readonly number[], since: Since) {
    this.#puts = puts;
    this.#digests = digests;
    this.#sizes = sizes;
    this.#since = since;
  }

  get age(): number {
    return this.#since.milliseconds;
  }

  async putAgain(): Promise<void> {
    const since = new Since();
    for (let from = 0; from < this.#sizes.length; from += PUTS_AHEAD) {
      const some = this.#sizes.slice(from, from + PUTS_AHEAD);
      await Promise.all(
        some.map((size, i) => this.#puts.touch({ digest: this.#digests.digest(from + i).slice(), size })),
      );
    }
    this.#since = since;
  }
}
