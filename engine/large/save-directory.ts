import type { CallOptions, SaveDirectoryOptions, SaveOptions } from "../api.ts";
import { checkPath } from "../argument.ts";
import type { VersionContent } from "../artifact-record.ts";
import { contentDigest } from "../blob/digest.ts";
import { callOf } from "../call-options.ts";
import { chunksOf } from "../chunk/chunks.ts";
import { encodeNode } from "../chunk/node.ts";
import { OPERATION_BYTES } from "../commit.ts";
import { captureTree } from "../directory/capture.ts";
import type { EarlierPiece } from "../directory/changes.ts";
import { EarlierTree } from "../directory/changes.ts";
import type { FileContent } from "../directory/entry.ts";
import { IgnoreRules } from "../directory/ignore.ts";
import type { ManifestNode } from "../directory/node.ts";
import type { StoredContent, TreeSink } from "../directory/sink.ts";
import type { EngineCore } from "../engine.ts";
import { isCorruption, VarveError } from "../errors.ts";
import { asBuffer } from "../index/change.ts";
import type { Row } from "../index/rows.ts";
import type { FoundVersion, SavePlan } from "../operations.ts";
import { saveVersion } from "../operations.ts";
import type { PlannedValue } from "../save.ts";
import { loadNode, MEDIA_TYPE_DIRECTORY } from "./directory-source.ts";
import type { Part } from "./part.ts";
import { preparePart } from "./part.ts";
import type { WriterSettings } from "./pinned-writer.ts";
import { PinnedWriter } from "./pinned-writer.ts";
import { isGoneMeanwhile } from "./pins.ts";
import { storeChunks } from "./store-chunks.ts";

export interface DirectorySave {
  core: EngineCore;
  settings: Omit<WriterSettings, "pinsAtOnce">;
  path: string;
  /** The version that was saved last under the name, if it is a directory. */
  earlier(): Promise<{ row: Row; content: VersionContent } | undefined>;
  plan(value: PlannedValue): SavePlan;
}

/** @throws UNSUPPORTED_VALUE, IO or CONFLICT that names the first file that can't be kept, read or relied on */
export async function saveDirectory(
  save: DirectorySave,
  { ignore, checkContents, signal, onProgress, ...others }: SaveDirectoryOptions,
): Promise<FoundVersion> {
  const rules = new IgnoreRules(ignore);
  checkGiven(save.path, checkContents, others);
  const call = callOf({ signal, onProgress });
  try {
    return await saveOnce(save, rules, { comparesTimes: checkContents !== true, pinsAtOnce: false }, call);
  } catch (error) {
    if (!isGoneMeanwhile(error)) throw error;
    return saveOnce(save, rules, { comparesTimes: false, pinsAtOnce: true }, call);
  }
}

/** What no type checker may have looked at. @throws INVALID_ARGUMENT */
export function checkGiven(path: unknown, checkContents: unknown, others: SaveOptions): void {
  checkPath(path, "a folder", 'for example saveDirectory("run", "out/run-17")');
  if (checkContents !== undefined && typeof checkContents !== "boolean") {
    throw new VarveError("INVALID_ARGUMENT", "checkContents must be true or false", {
      hint: "leave it away to read only files that have changed by their times",
    });
  }
  if (others.codec !== undefined || others.mediaType !== undefined) {
    throw new VarveError("INVALID_ARGUMENT", "a directory has a media type of its own, and needs no codec", {
      hint: "leave `codec` and `mediaType` out",
    });
  }
}

/** `comparesTimes`: with those of the last version. */
async function saveOnce(
  save: DirectorySave,
  ignore: IgnoreRules,
  { comparesTimes, pinsAtOnce }: { comparesTimes: boolean; pinsAtOnce: boolean },
  { signal, onProgress }: CallOptions,
): Promise<FoundVersion> {
  const { core, settings, path, plan } = save;
  const writer = new PinnedWriter(core, { ...settings, pinsAtOnce });
  const sink = new WriterSink(writer, signal);
  try {
    const earlier = comparesTimes ? await earlierTree(save) : undefined;
    const tree = await captureTree(path, sink, { ignore, earlier, signal, onProgress });
    await sink.drain();
    const root = sink.lastNodes.get(hex(tree.root))!;
    const digest = root.digest;
    const planned = plan({
      part: preparePart(core, root),
      mediaType: MEDIA_TYPE_DIRECTORY,
      chunked: { digest, size: tree.size },
      stamps: Buffer.from(tree.stamps),
    });
    return await writer.finish((transaction) => saveVersion(transaction, planned), OPERATION_BYTES);
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

/** Undefined where there is none that could be compared with: then all is read. */
async function earlierTree({ core, earlier }: DirectorySave): Promise<EarlierTree | undefined> {
  const found = await earlier();
  const [root, stamps] = found ? [found.row.references[0]!, found.row.references.at(-1)!] : [];
  if (!root || !stamps || !found?.content.hasStamps) return undefined;
  try {
    const load = (digest: Uint8Array) => loadNode(core, digest);
    return new EarlierTree(await load(root), await load(stamps), load);
  } catch (error) {
    if (!isCorruption(error)) throw error;
    return undefined;
  }
}

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString("hex");

/** Puts what a folder consists of into the store. */
class WriterSink implements TreeSink {
  readonly #writer: PinnedWriter;
  readonly #signal: AbortSignal | undefined;
  /** Nodes that are not written yet: they come when nothing can be waited for. */
  #nodes: Part[] = [];
  /** Those that came last: the roots are among them. */
  readonly lastNodes = new Map<string, Part>();

  constructor(writer: PinnedWriter, signal: AbortSignal | undefined) {
    this.#writer = writer;
    this.#signal = signal;
  }

  /** A promise only where something is waited for: there may be a million files. */
  putFile(bytes: Uint8Array, known?: Uint8Array): Buffer | Promise<Buffer> {
    const digest = known ? asBuffer(known) : contentDigest(bytes);
    if (this.#nodes.length > 0) return this.#putBehindNodes(digest, bytes);
    const added = this.#writer.add({ digest, bytes });
    return added ? added.then(() => digest) : digest;
  }

  async #putBehindNodes(digest: Buffer, bytes: Uint8Array): Promise<Buffer> {
    await this.drain();
    await this.#writer.add({ digest, bytes });
    return digest;
  }

  async putLarge(pieces: AsyncIterable<Uint8Array>): Promise<StoredContent> {
    await this.drain();
    const chunks = chunksOf(pieces, { signal: this.#signal });
    const stored = await storeChunks(chunks, (part) => this.#writer.add(part));
    // One that has shrunk since it was found is kept whole.
    if (!stored.isChunked) await this.#writer.add(stored.blob);
    return { digest: stored.digest, ...(stored.isChunked && { root: stored.blob.digest }) };
  }

  putNode({ references, content }: ManifestNode): Buffer {
    const bytes = encodeNode(Buffer.concat(references), content);
    const digest = contentDigest(bytes);
    const part = { digest, bytes, ...(references.length > 0 && { references: references.map(asBuffer) }) };
    this.#nodes.push(part);
    return digest;
  }

  isKept({ digest, root }: FileContent): boolean {
    return this.#writer.hold(asBuffer(root ?? digest), root !== undefined);
  }

  isPieceKept({ digest, stampsDigest, hasFiles }: EarlierPiece): boolean {
    return (
      this.#writer.holdAll(asBuffer(stampsDigest), false) && this.#writer.holdAll(asBuffer(digest), hasFiles)
    );
  }

  async drain(): Promise<void> {
    const nodes = this.#nodes;
    this.#nodes = [];
    this.lastNodes.clear();
    for (const node of nodes) {
      await this.#writer.add(node);
      this.lastNodes.set(hex(node.digest), node);
    }
  }
}
