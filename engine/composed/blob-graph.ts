import { DigestTable } from "../digest-table.ts";
import { decodePiece, decodeRoot } from "../directory/format.ts";
import { VarveError } from "../errors.ts";
import type { BlobStore, ListedBlob } from "../ports/blob-store.ts";
import type { ValueFacts } from "../ports/metadata-store.ts";
import { isDirectory } from "./values.ts";
import { readNode } from "./version-blobs.ts";

/** What one version needs: numbers of blobs. */
export type Needs = readonly number[];

/** The value of a version, and why it can't be told what else belongs to it, if so. */
export interface Needed {
  needs: Needs;
  problem?: VarveError;
}

type Value = Pick<ValueFacts, "digest" | "mediaType" | "stamps" | "kept">;

/**
 * Which blobs need which: versions their values, directories the pieces of their manifests, and these the files. Each node
 * is read once, however many versions have it. About 100 bytes a blob.
 */
export class BlobGraph {
  readonly #blobs: BlobStore;
  readonly #digests = new DigestTable();
  /** By number: how many versions and nodes need it, what it takes, and how long it is. */
  readonly #counts: number[] = [];
  readonly #ownBytes: number[] = [];
  readonly #sizes: number[] = [];
  /** Of nodes. */
  readonly #children = new Map<number, Needs>();

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  /** One version more needs the value. What a backend keeps is no blob. */
  async add({ digest, mediaType, stamps, kept }: Value): Promise<Needed> {
    if (kept) return { needs: [] };
    const root = this.#number(digest);
    this.#counts[root]!++;
    if (!isDirectory({ mediaType })) return { needs: [root] };
    const problem = await damageIn(() => this.#expandRoot(root, digest));
    if (!stamps) return { needs: [root], ...(problem && { problem }) };
    const stampsRoot = this.#number(stamps);
    this.#counts[stampsRoot]!++;
    // Without them files are read again, and that is all.
    await damageIn(() => this.#expandStamps(stampsRoot, stamps));
    return { needs: [root, stampsRoot], ...(problem && { problem }) };
  }

  /** A blob that is there. Whether anything needs it. */
  listed({ digest, size, ownBytes }: ListedBlob): boolean {
    const number = this.#number(digest);
    this.#ownBytes[number] = ownBytes;
    this.#sizes[number] = size;
    return this.#counts[number]! > 0;
  }

  /** Bytes that were not stored again, since an equal blob was there. */
  get sharedBytes(): number {
    return this.#counts.reduce((sum, count, i) => sum + this.#sizes[i]! * Math.max(0, count - 1), 0);
  }

  /** What a version needs is not needed by it any more. Gives the bytes of the blobs that nothing needs then. */
  letGo(needs: Needs): number {
    let bytes = 0;
    for (const stack = [...needs]; stack.length > 0; ) {
      const number = stack.pop()!;
      this.#counts[number]!--;
      if (this.#counts[number]! > 0) continue;
      bytes += this.#ownBytes[number]!;
      stack.push(...(this.#children.get(number) ?? []));
    }
    return bytes;
  }

  /** The other way round. */
  takeBack(needs: Needs): void {
    for (const stack = [...needs]; stack.length > 0; ) {
      const number = stack.pop()!;
      this.#counts[number]!++;
      if (this.#counts[number] === 1) stack.push(...(this.#children.get(number) ?? []));
    }
  }

  async #expandRoot(root: number, digest: Uint8Array): Promise<void> {
    if (this.#children.has(root)) return;
    const { pieces } = decodeRoot(await readNode(this.#blobs, digest));
    for (const piece of pieces) await this.#expandPiece(piece.digest);
    this.#setChildren(
      root,
      pieces.map((piece) => piece.digest),
    );
  }

  async #expandPiece(digest: Uint8Array): Promise<void> {
    const number = this.#number(digest);
    if (this.#children.has(number)) return;
    const entries = decodePiece(await readNode(this.#blobs, digest));
    this.#setChildren(
      number,
      entries.flatMap((entry) => (entry.kind === "file" ? [entry.digest] : [])),
    );
  }

  async #expandStamps(root: number, digest: Uint8Array): Promise<void> {
    if (this.#children.has(root)) return;
    this.#setChildren(root, (await readNode(this.#blobs, digest)).references);
  }

  /** Each counts once for a node, however often it stands there. */
  #setChildren(node: number, digests: readonly Uint8Array[]): void {
    const children = [...new Set(digests.map((digest) => this.#number(digest)))];
    for (const child of children) this.#counts[child]!++;
    this.#children.set(node, children);
  }

  #number(digest: Uint8Array): number {
    const number = this.#digests.add(digest, 0);
    if (number === this.#counts.length) {
      this.#counts.push(0);
      this.#ownBytes.push(0);
      this.#sizes.push(0);
    }
    return number;
  }
}

/** Why a node can't be read, where it is missing or damaged rather than out of reach for now. */
async function damageIn(read: () => Promise<void>): Promise<VarveError | undefined> {
  try {
    await read();
    return undefined;
  } catch (error) {
    if (error instanceof VarveError && (error.code === "CORRUPTION" || error.code === "NOT_FOUND"))
      return error;
    throw error;
  }
}
