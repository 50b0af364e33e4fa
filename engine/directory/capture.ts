import type { Progress } from "../api.ts";
import { Pace } from "../maintenance/pace.ts";
import type { EarlierPiece, EarlierTree } from "./changes.ts";
import type { FileContent } from "./entry.ts";
import { keyOf, quoted } from "./entry.ts";
import type { StoredFile } from "./file-reader.ts";
import { entryOf, FileReader } from "./file-reader.ts";
import type { IgnoreRules } from "./ignore.ts";
import { LinkJudge } from "./links.ts";
import type { WrittenTree } from "./manifest-writer.ts";
import { ManifestWriter } from "./manifest-writer.ts";
import { ENTRIES_MIN, hasMany } from "./many-entries.ts";
import type { TakenPiece } from "./piece-taker.ts";
import { PieceTaker } from "./piece-taker.ts";
import { cannotBeKept } from "./refusal.ts";
import type { Found, FoundFile } from "./scan.ts";
import { checkedRoot, scanTree, TURN_MILLISECONDS } from "./scan.ts";
import { SecondCapture } from "./second-capture.ts";
import type { TreeSink } from "./sink.ts";
import { settledStamp } from "./stamps.ts";
import type { EntryTarget } from "./unchanged.ts";
import { UnchangedPieces } from "./unchanged.ts";

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
 * Reads a folder into contents and a manifest, in one pass and with little memory. Where there are many entries, and most
 * files are to be read, another thread does that, and makes the manifest; to look at those that are as they were takes no
 * more of this one than to be told of them.
 * @throws UNSUPPORTED_VALUE, IO or CONFLICT that names the first file that can't be kept, read or relied on
 */
export async function captureTree(
  root: string,
  sink: TreeSink,
  options: CaptureOptions,
): Promise<CapturedTree> {
  const capture = new Capture(checkedRoot(root), sink, options);
  let rest: Rest | undefined = { behind: undefined };
  while (rest) rest = await (capture.wantsSecond ? capture.takeFromSecond(rest) : capture.scan(rest));
  return capture.finish();
}

/** What is left of a folder: the entries behind a key, or all. */
interface Rest {
  behind: string | undefined;
}

class Capture implements EntryTarget {
  readonly #root: string;
  readonly #sink: TreeSink;
  readonly #options: CaptureOptions;
  /** What changes from now on has a time behind this, or is read after it changed. */
  readonly #beganNs = BigInt(Date.now()) * 1_000_000n;
  readonly #writer: ManifestWriter;
  readonly #reader: FileReader;
  readonly #judge = new LinkJudge();
  readonly #pieces: UnchangedPieces | undefined;
  #filesFound = 0;
  /** Those of pieces that turned out to be as they were. */
  #filesReadInVain = 0;
  #hasMany: boolean | undefined;
  /** No other thread is begun before so many files are found. */
  #aloneUpTo = 0;

  constructor(root: string, sink: TreeSink, options: CaptureOptions) {
    const { earlier, signal } = options;
    this.#root = root;
    this.#sink = sink;
    this.#options = options;
    this.#writer = new ManifestWriter((node) => sink.putNode(node));
    this.#reader = new FileReader(root, sink, signal);
    this.#pieces = earlier && new UnchangedPieces(earlier, this, this.#beganNs);
  }

  get isBetweenPieces(): boolean {
    return this.#writer.isBetweenPieces;
  }

  get wantsSecond(): boolean {
    return this.#filesFound >= this.#aloneUpTo && this.#wantsContents && this.#isLarge;
  }

  /** Whether most files are to be read: those of a new tree, or of one that was copied. */
  get #wantsContents(): boolean {
    const filesRead = this.#reader.filesRead - this.#filesReadInVain;
    return !this.#options.earlier || 2 * filesRead > this.#filesFound;
  }

  get #isLarge(): boolean {
    const { earlier, ignore } = this.#options;
    this.#hasMany ??= (earlier?.entryCount ?? 0) >= ENTRIES_MIN || hasMany(this.#root, ignore);
    return this.#hasMany;
  }

  /** Gives what is left to the other thread, if anything. */
  async scan({ behind }: Rest): Promise<Rest | undefined> {
    const { ignore, signal } = this.#options;
    const pace = new Pace({ signal }, TURN_MILLISECONDS);
    for await (const batch of scanTree(this.#root, ignore, { signal, behind })) {
      const { wantsSecond } = this;
      for (const found of batch) {
        if (pace.isDue()) await pace.turn();
        const adding = (this.#pieces ?? this).add(found);
        if (adding) await adding;
        this.#note(found);
        if (wantsSecond && this.#canLeave) return { behind: keyOf(found) };
      }
      this.#tellProgress();
    }
    await this.#pieces?.end();
    return undefined;
  }

  get #canLeave(): boolean {
    return this.isBetweenPieces && !this.#pieces?.isWaiting;
  }

  /** Gives what is left to this thread, if anything. */
  async takeFromSecond({ behind }: Rest): Promise<Rest | undefined> {
    const { earlier, ignore, signal } = this.#options;
    const task = { root: this.#root, ignore: ignore.patterns, beganNs: this.#beganNs, behind };
    const second = SecondCapture.start(task, signal);
    const taker = new PieceTaker(this.#reader);
    const pace = new Pace({ signal }, TURN_MILLISECONDS);
    for await (const answer of second?.answers((found) => taker.store(found)) ?? []) {
      // Answers that have come already are given without a turn of the event loop.
      if (pace.isDue()) await pace.turn();
      for await (const piece of taker.pieces(answer)) {
        this.#addPieceOfSecond(piece);
        if (!earlier || this.#wantsContents) continue;
        // It takes as long as thousands of files to begin a thread: where the tree changes by turns, seldom.
        this.#aloneUpTo = 2 * this.#filesFound;
        return { behind: piece.last };
      }
      this.#tellProgress();
    }
    if (second?.isThrough) return undefined;
    this.#aloneUpTo = Number.POSITIVE_INFINITY;
    return { behind };
  }

  #addPieceOfSecond({ fileCount, links, ...piece }: TakenPiece): void {
    const put = this.#writer.putPiece(piece);
    this.#filesFound += fileCount;
    if (this.#options.earlier?.hasPiece(put)) this.#filesReadInVain += fileCount;
    for (const link of links) this.#judge.add(link.path, link.target);
  }

  #note(found: Found): void {
    if (found.kind === "link") this.#judge.add(found.path, found.target);
    if (found.kind === "file") this.#filesFound++;
  }

  #tellProgress(): void {
    this.#options.onProgress?.({ phase: "reading files", done: this.#filesFound, unit: "files" });
  }

  /** A promise only where something is waited for. */
  add(found: Found): void | Promise<void> {
    if (found.kind !== "file") return this.#writer.add(found);
    const same = this.#options.earlier?.find(found);
    return same instanceof Promise
      ? same.then((known) => this.#addFile(found, known))
      : this.#addFile(found, same);
  }

  addPiece(piece: EarlierPiece): boolean {
    if (!this.#isPieceKept(piece)) return false;
    this.#writer.addPiece(piece, piece.size);
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
    if (same && this.#isKept(same)) return this.#write({ file: found, content: same });
    const reading = this.#reader.read(found);
    if (reading instanceof Promise) return reading.then((stored) => this.#write(stored));
    this.#write(reading);
  }

  #write(stored: StoredFile): void {
    this.#writer.add(entryOf(stored), settledStamp(stored.file.stamp, this.#beganNs));
  }
}

/** A tree that could not be restored is not saved. */
function refuseOutwardLinks(judge: LinkJudge): void {
  const outward = judge.firstLeadingOut();
  if (!outward) return;
  const why = `is a link to ${quoted(outward.target)}, which leads out of the directory or in a circle`;
  throw cannotBeKept(outward.path, why, "replace it by a copy, or by a relative link that stays inside");
}
