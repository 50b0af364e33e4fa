import type { DamageProblem } from "../api.ts";
import { digestText } from "../blob/digest.ts";
import { signalOf } from "../call-options.ts";
import { DigestTable } from "../digest-table.ts";
import type { FileEntry } from "../directory/entry.ts";
import { decodePiece, decodeRoot } from "../directory/format.ts";
import { VarveError } from "../errors.ts";
import type { BlobStore, Digest } from "../ports/blob-store.ts";
import type { MetadataStore, VersionRecord } from "../ports/metadata-store.ts";
import { isDirectory } from "./values.ts";
import { readNode } from "./version-blobs.ts";

/** Files of a directory that are looked at together. */
const TOGETHER = 16;

/** A blob that is not there, or not as it should be. */
export interface BlobProblem extends DamageProblem {
  digest: Digest;
  refs: string[];
  /** Of what is no node of a manifest. */
  size?: number;
  /** Of what belongs to a directory: its manifest, and where in it a file is. */
  tree?: { root: Digest; path?: string };
}

interface CheckOptions {
  /** Whether all bytes are read. */
  full: boolean;
  signal?: AbortSignal | undefined;
}

/** Looks at the blobs of versions, each once, and keeps what is wrong with them. */
export class BlobCheck {
  readonly #metadata: MetadataStore;
  readonly #blobs: BlobStore;
  readonly #options: CheckOptions;
  readonly #digests = new DigestTable();
  /** By number: what is wrong with a blob, or with those that it needs; mostly nothing, and the same one then. */
  readonly #found: (readonly BlobProblem[])[] = [];
  /** Numbers of what the version that is looked at now was the first to find wrong. */
  readonly #fresh: number[] = [];
  readonly problems = new Set<BlobProblem>();
  bytes = 0;

  constructor(metadata: MetadataStore, blobs: BlobStore, options: CheckOptions) {
    this.#metadata = metadata;
    this.#blobs = blobs;
    this.#options = options;
  }

  /** Blobs that were looked at. */
  get blobs(): number {
    return this.#found.length;
  }

  /** What a backend keeps is no blob. */
  async version(record: VersionRecord): Promise<void> {
    if (record.kept) return;
    const { digest, size } = record;
    const found = isDirectory(record) ? await this.#tree(digest) : await this.#blob(digest, size);
    const fresh = this.#fresh.splice(0);
    if (found.length === 0) return;
    if (await this.#isGoneSince(record)) {
      // Later versions may have the same bytes, put again since.
      for (const number of fresh) delete this.#found[number];
      return;
    }
    const ref = `${record.name}:${record.version}`;
    for (const problem of found) {
      this.problems.add(problem);
      if (!problem.refs.includes(ref)) problem.refs.push(ref);
    }
  }

  /** Somebody has deleted it, and collected what it consisted of, since it was listed. */
  async #isGoneSince({ name, version }: VersionRecord): Promise<boolean> {
    const now = await this.#metadata.at(name, version);
    return !now || now.isForgotten;
  }

  #tree(digest: Digest): Promise<readonly BlobProblem[]> {
    return this.#once(digest, async () => {
      const tree = { root: digest };
      return this.#node(digest, tree, async () => {
        const problems: BlobProblem[] = [];
        const { pieces } = decodeRoot(await readNode(this.#blobs, digest));
        for (const piece of pieces) problems.push(...(await this.#piece(piece.digest, digest)));
        return problems;
      });
    });
  }

  #piece(digest: Digest, root: Digest): Promise<readonly BlobProblem[]> {
    return this.#once(digest, () =>
      this.#node(digest, { root }, async () => {
        const problems: BlobProblem[] = [];
        const entries = decodePiece(await readNode(this.#blobs, digest));
        const files = entries.filter((entry): entry is FileEntry => entry.kind === "file");
        for (let from = 0; from < files.length; from += TOGETHER) {
          const some = files.slice(from, from + TOGETHER);
          const found = some.map(({ digest: of, size, path }) => this.#blob(of, size, { root, path }));
          problems.push(...(await Promise.all(found)).flat());
        }
        return problems;
      }),
    );
  }

  async #node(
    digest: Digest,
    tree: BlobProblem["tree"],
    below: () => Promise<BlobProblem[]>,
  ): Promise<readonly BlobProblem[]> {
    try {
      return await below();
    } catch (error) {
      return [this.#problem(error, { digest, ...(tree && { tree }) })];
    }
  }

  #blob(digest: Digest, size: number, tree?: BlobProblem["tree"]): Promise<readonly BlobProblem[]> {
    return this.#once(digest, async () => {
      this.bytes += size;
      try {
        await this.#check(digest, size);
        return [];
      } catch (error) {
        return [this.#problem(error, { digest, size, ...(tree && { tree }) })];
      }
    });
  }

  async #check(digest: Digest, size: number): Promise<void> {
    const actual = await this.#blobs.sizeOf(digest);
    if (actual === undefined) throw new VarveError("NOT_FOUND", "it is not there");
    if (actual !== size) throw new VarveError("CORRUPTION", `it has ${actual} bytes instead of ${size}`);
    if (!this.#options.full) return;
    const { signal } = this.#options;
    for await (const _ of this.#blobs.pieces(digest, size, undefined, signalOf({ signal })));
  }

  #problem(error: unknown, facts: Pick<BlobProblem, "digest" | "size" | "tree">): BlobProblem {
    if (!(error instanceof VarveError) || !["NOT_FOUND", "CORRUPTION"].includes(error.code)) throw error;
    const kind = error.code === "NOT_FOUND" ? ("missing" as const) : ("blob" as const);
    const what = facts.size === undefined ? "a node of the manifest of a directory" : "the bytes of a value";
    const message = `${what}, ${digestText(facts.digest)}, in ${this.#blobs.location}: ${error.message}`;
    return { kind, message, refs: [], ...facts };
  }

  async #once(digest: Digest, look: () => Promise<readonly BlobProblem[]>): Promise<readonly BlobProblem[]> {
    const number = this.#digests.add(digest, 0);
    const known = this.#found[number];
    if (known) return known;
    this.#found[number] = NONE;
    const found = await look();
    if (found.length > 0) {
      this.#found[number] = found;
      this.#fresh.push(number);
    }
    return found;
  }
}

const NONE: readonly BlobProblem[] = [];
