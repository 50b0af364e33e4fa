import type { Progress } from "../api.ts";
import { Pace } from "../maintenance/pace.ts";
import type { EarlierPiece, EarlierTree } from "./changes.ts";
import type { FileContent } from "./entry.ts";
import { quoted } from "./entry.ts";
import { ENTRIES_MIN, findEntries } from "./find-entries.ts";
import type { IgnoreRules } from "./ignore.ts";
import { LinkJudge } from "./links.ts";
import type { WrittenTree } from "./manifest-writer.ts";
import { ManifestWriter } from "./manifest-writer.ts";
import type { PutNode } from "./node.ts";
import { LARGE_BYTES_MIN, openLarge, readSmall } from "./read-file.ts";
import { cannotBeKept } from "./refusal.ts";
import type { Found, FoundFile } from "./scan.ts";
import { checkedRoot, TURN_MILLISECONDS } from "./scan.ts";
import { isSettled } from "./stamps.ts";
import type { EntryTarget } from "./unchanged.ts";
import { UnchangedPieces } from "./unchanged.ts";

/** What the contents of a file were put away as. */
export type StoredContent = Pick<FileContent, "digest" | "root">;

/** Where contents and manifest go. What it was given before a failure is the caller's to drop. */
export interface TreeSink {
  /** Keeps a small file, of at most one MiB, and gives its SHA-256, which may be known. The bytes are the sink's own. */
  putFile(bytes: Uint8Array, digest?: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** Takes a file to its end, or fails. */
  putLarge(pieces: AsyncIterable<Uint8Array>): Promise<StoredContent>;
  putNode: PutNode;
  /** Whether the contents of a file that did not change are still kept, and will be; by default they are. */
  isKept?(file: FileContent): boolean;
  /** The same of a piece of the earlier manifest, with its stamps and all contents; by default it is if those are. */
  isPieceKept?(piece: EarlierPiece): boolean;
}

export interface CaptureOptions {
  ignore: IgnoreRules;
  /** What files are compared with that need not be read; `undefined` reads all. */
  earlier: EarlierTree | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

export interface CapturedTree extends WrittenTree {
  /** Those that were read; the others were as they had been. */
  filesRead: number;
  bytesRead: number;
}

/**
 * Reads a folder into contents and a manifest, in one pass and with little memory.
 * @throws UNSUPPORTED_VALUE, IO or CONFLICT that names the first file that can't be kept, read or relied on
 */
export async function captureTree(
  root: string,
  sink: TreeSink,
  options: CaptureOptions,
): Promise<CapturedTree> {
  // What changes from now on has a time behind this, or is read after it changed.
  const beganNs = BigInt(Date.now()) * 1_000_000n;
  const { ignore, earlier, signal, onProgress } = options;
  const pace = new Pace({ signal }, TURN_MILLISECONDS);
  const full = checkedRoot(root);
  const capture = new Capture(full, sink, beganNs, earlier, signal);
  const pieces = earlier && new UnchangedPieces(earlier, capture, beganNs);
  const isLarge = (earlier?.entryCount ?? 0) >= ENTRIES_MIN;
  const finding = { ignore, isLarge, wantsContents: () => capture.wantsContents, signal };
  for await (const batch of findEntries(full, finding)) {
    for (const found of batch) {
      if (pace.isDue()) await pace.turn();
      const adding = (pieces ?? capture).add(found);
      if (adding) await adding;
    }
    capture.note(batch);
    onProgress?.({ phase: "reading files", done: capture.filesFound, unit: "files" });
  }
  await pieces?.end();
  return capture.finish();
}

class Capture implements EntryTarget {
  readonly #sink: TreeSink;
  readonly #beganNs: bigint;
  readonly #earlier: EarlierTree | undefined;
  readonly #writer: ManifestWriter;
  readonly #reader: FileReader;
  readonly #judge = new LinkJudge();
  filesFound = 0;

  constructor(
    root: string,
    sink: TreeSink,
    beganNs: bigint,
    earlier: EarlierTree | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#sink = sink;
    this.#beganNs = beganNs;
    this.#earlier = earlier;
    this.#writer = new ManifestWriter((node) => sink.putNode(node));
    this.#reader = new FileReader(root, sink, signal);
  }

  get isBetweenPieces(): boolean {
    return this.#writer.isBetweenPieces;
  }

  /** Whether most files are to be read: those of a new tree, or of one that was copied. */
  get wantsContents(): boolean {
    return !this.#earlier || 2 * this.#reader.filesRead > this.filesFound;
  }

  /** What was found, however it is added. */
  note(batch: readonly Found[]): void {
    for (const found of batch) {
      if (found.kind === "link") this.#judge.add(found.path, found.target);
      if (found.kind === "file") this.filesFound++;
    }
  }

  /** A promise only where something is waited for. */
  add(found: Found): void | Promise<void> {
    if (found.kind !== "file") return this.#writer.add(found);
    const same = this.#earlier?.find(found);
    return same instanceof Promise
      ? same.then((known) => this.#addFile(found, known))
      : this.#addFile(found, same);
  }

  addPiece(piece: EarlierPiece): boolean {
    if (!this.#isPieceKept(piece)) return false;
    this.#writer.addPiece(piece, piece.stampsDigest, piece.size);
    return true;
  }

  #isPieceKept(piece: EarlierPiece): boolean {
    if (this.#sink.isPieceKept) return this.#sink.isPieceKept(piece);
    return piece.entries.every((entry) => entry.kind !== "file" || this.#isKept(entry));
  }

  #isKept(file: FileContent): boolean {
    return this.#sink.isKept?.(file) !== false;
  }

  finish(): CapturedTree {
    refuseOutwardLinks(this.#judge);
    const { filesRead, bytesRead } = this.#reader;
    return { ...this.#writer.finish(), filesRead, bytesRead };
  }

  #addFile(found: FoundFile, same: FileContent | undefined): void | Promise<void> {
    if (same && this.#isKept(same)) return this.#write(found, same);
    const reading = this.#reader.read(found);
    if (reading instanceof Promise) return reading.then(({ file, content }) => this.#write(file, content));
    this.#write(reading.file, reading.content);
  }

  #write({ path, size, executable, stamp }: FoundFile, { digest, root }: StoredContent): void {
    this.#writer.add(
      { kind: "file", path, size, executable, digest, ...(root && { root }) },
      isSettled(stamp, this.#beganNs) ? stamp : undefined,
    );
  }
}

interface ReadFile {
  /** As it was when it was read. */
  file: FoundFile;
  content: StoredContent;
}

class FileReader {
  readonly #root: string;
  readonly #sink: TreeSink;
  readonly #signal: AbortSignal | undefined;
  filesRead = 0;
  bytesRead = 0;

  constructor(root: string, sink: TreeSink, signal: AbortSignal | undefined) {
    this.#root = root;
    this.#sink = sink;
    this.#signal = signal;
  }

  /** A promise only where something is waited for. */
  read(found: FoundFile): ReadFile | Promise<ReadFile> {
    this.filesRead++;
    this.bytesRead += found.size;
    if (found.read) return this.#put(found, found.read.bytes, found.read.digest);
    const full = `${this.#root}/${found.path}`;
    if (found.size >= LARGE_BYTES_MIN) return this.#putLarge(full, found);
    const { file, bytes } = readSmall(full, found);
    return this.#put(file, bytes);
  }

  #put(file: FoundFile, bytes: Uint8Array, known?: Uint8Array): ReadFile | Promise<ReadFile> {
    const put = this.#sink.putFile(bytes, known);
    const read = (digest: Uint8Array) => ({ file, content: { digest } });
    return put instanceof Promise ? put.then(read) : read(put);
  }

  async #putLarge(full: string, found: FoundFile): Promise<ReadFile> {
    const { file, pieces } = openLarge(full, found, this.#signal);
    return { file, content: await this.#sink.putLarge(pieces) };
  }
}

/** A tree that could not be restored is not saved. */
function refuseOutwardLinks(judge: LinkJudge): void {
  const outward = judge.firstLeadingOut();
  if (!outward) return;
  const why = `is a link to ${quoted(outward.target)}, which leads out of the directory or in a circle`;
  throw cannotBeKept(outward.path, why, "replace it by a copy, or by a relative link that stays inside");
}
