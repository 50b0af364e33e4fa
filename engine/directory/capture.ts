import { resolve } from "node:path";
import type { Progress } from "../api.ts";
import { Pace } from "../maintenance/pace.ts";
import type { EarlierTree } from "./changes.ts";
import type { FileContent } from "./entry.ts";
import { quoted } from "./entry.ts";
import type { IgnoreRules } from "./ignore.ts";
import { LinkJudge } from "./links.ts";
import type { WrittenTree } from "./manifest-writer.ts";
import { ManifestWriter } from "./manifest-writer.ts";
import type { PutNode } from "./node.ts";
import { LARGE_BYTES_MIN, openLarge, readSmall } from "./read-file.ts";
import { cannotBeKept } from "./refusal.ts";
import type { FoundFile } from "./scan.ts";
import { scanTree, TURN_MILLISECONDS } from "./scan.ts";
import { isSettled } from "./stamps.ts";

/** What the contents of a file were put away as. */
export type StoredContent = Pick<FileContent, "digest" | "root">;

/** Where contents and manifest go. What it was given before a failure is the caller's to drop. */
export interface TreeSink {
  /** Keeps a small file, of at most one MiB, and gives its SHA-256. The bytes are the sink's own. */
  putFile(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** Takes a file to its end, or fails. */
  putLarge(pieces: AsyncIterable<Uint8Array>): Promise<StoredContent>;
  putNode: PutNode;
  /** Whether the contents of a file that did not change are still kept, and will be; by default they are. */
  isKept?(file: FileContent): boolean;
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
  const { earlier, signal, onProgress } = options;
  const pace = new Pace({ signal }, TURN_MILLISECONDS);
  const writer = new ManifestWriter((node) => sink.putNode(node));
  const reader = new FileReader(resolve(root), sink, signal);
  const judge = new LinkJudge();
  let done = 0;
  for await (const batch of scanTree(root, options.ignore, signal)) {
    for (const found of batch) {
      if (pace.isDue()) await pace.turn();
      if (found.kind === "link") judge.add(found.path, found.target);
      if (found.kind !== "file") {
        writer.add(found);
        continue;
      }
      const search = earlier?.find(found);
      const same = search instanceof Promise ? await search : search;
      const known = same && sink.isKept?.(same) !== false ? same : undefined;
      const { file, content } = known ? { file: found, content: known } : await reader.read(found);
      const { path, size, executable, stamp } = file;
      const { digest, root: list } = content;
      writer.add(
        { kind: "file", path, size, executable, digest, ...(list && { root: list }) },
        isSettled(stamp, beganNs) ? stamp : undefined,
      );
      done++;
    }
    onProgress?.({ phase: "reading files", done, unit: "files" });
  }
  refuseOutwardLinks(judge);
  return { ...writer.finish(), filesRead: reader.filesRead, bytesRead: reader.bytesRead };
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

  async read(found: FoundFile): Promise<{ file: FoundFile; content: StoredContent }> {
    const full = `${this.#root}/${found.path}`;
    this.filesRead++;
    this.bytesRead += found.size;
    if (found.size >= LARGE_BYTES_MIN) {
      const { file, pieces } = openLarge(full, found, this.#signal);
      return { file, content: await this.#sink.putLarge(pieces) };
    }
    const { file, bytes } = readSmall(full, found);
    return { file, content: { digest: await this.#sink.putFile(bytes) } };
  }
}

/** A tree that could not be restored is not saved. */
function refuseOutwardLinks(judge: LinkJudge): void {
  const outward = judge.firstLeadingOut();
  if (!outward) return;
  const why = `is a link to ${quoted(outward.target)}, which leads out of the directory or in a circle`;
  throw cannotBeKept(outward.path, why, "replace it by a copy, or by a relative link that stays inside");
}
