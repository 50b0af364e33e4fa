import { createHash } from "node:crypto";
import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { SaveDirectoryOptions } from "../api.ts";
import { contentDigest } from "../blob/digest.ts";
import { chunksOf } from "../chunk/chunks.ts";
import { piecesOf } from "../chunk/source.ts";
import { ListedPieces } from "../composed/list-root.ts";
import { captureTree } from "../directory/capture.ts";
import { quoted, type TreeEntry } from "../directory/entry.ts";
import { IgnoreRules } from "../directory/ignore.ts";
import type { ManifestNode } from "../directory/node.ts";
import type { StoredContent, TreeSink } from "../directory/sink.ts";
import { VarveError } from "../errors.ts";
import { MEDIA_TYPE_DIRECTORY } from "../large/directory-source.ts";
import type { BackendValue } from "../ports/storage-backend.ts";
import { comparedPieces } from "./check.ts";
import type { KeptFile, KeptFolder } from "./kept.ts";
import { NodesInMemory } from "./manifest.ts";
import { changedWhileSaved } from "./refusals.ts";

/** What MLflow knows the folder of a model by. */
const MODEL_FOLDER_FILE = "MLmodel";
/** The row of a version lists all of them. */
export const FILES_MAX = 10_000;
/** What a URL of MLflow carries as it is. */
const CARRIED = /^[A-Za-z0-9._/-]+$/;

/** Whether MLflow would call it a model. */
export function isModelFolder(path: string): boolean {
  try {
    return lstatSync(join(path, MODEL_FOLDER_FILE)).isFile();
  } catch {
    // Whatever is wrong with the folder is told by who reads it.
    return false;
  }
}

export interface FolderValue {
  value: BackendValue;
  folder: KeptFolder;
}

/**
 * Reads a folder as `saveDirectory` reads one, and keeps nothing but what it consists of: equal folders have equal digests,
 * whoever keeps them.
 * @throws NOT_SUPPORTED that names what a backend can't keep
 */
export async function folderValue(
  path: string,
  { ignore, signal, onProgress }: SaveDirectoryOptions,
): Promise<FolderValue> {
  const nodes = new NodesInMemory();
  const sink = new CountingSink(nodes, signal);
  const options = { ignore: new IgnoreRules(ignore), earlier: undefined, signal, onProgress };
  const { root, size } = await captureTree(path, sink, options);
  const folder: { files: KeptFile[]; folders: string[] } = { files: [], folders: [] };
  for await (const entries of nodes.manifest(root).entriesFrom())
    for (const entry of entries) add(folder, entry);
  if (!folder.files.some((file) => file.path === MODEL_FOLDER_FILE)) throw noModelFile();
  const value: BackendValue = {
    ...{ kind: "directory", digest: root, size, mediaType: MEDIA_TYPE_DIRECTORY, files: folder.files },
    pieces: (file, call) =>
      comparedPieces(piecesOf({ file: join(path, file.path) }, { signal: call?.signal }), file, () =>
        changedWhileSaved(file.path),
      ),
  };
  return { value, folder };
}

function add(folder: { files: KeptFile[]; folders: string[] }, entry: TreeEntry): void {
  checkCarried(entry);
  if (entry.kind === "directory") folder.folders.push(entry.path);
  if (entry.kind !== "file") return;
  const { path, size, digest, root, executable } = entry;
  const bytes = (given: Uint8Array) => Buffer.from(given);
  folder.files.push({ path, size, digest: bytes(digest), ...(root && { root: bytes(root) }), executable });
}

/** @throws NOT_SUPPORTED */
function checkCarried({ kind, path }: { kind: string; path: string }): void {
  if (kind === "link") throw notCarried(`${quoted(path)} is a symbolic link`, "put a copy in its place");
  if (!CARRIED.test(path))
    throw notCarried(
      `${quoted(path)} has a name that MLflow can't carry`,
      "use letters of ASCII, digits, `.`, `_` and `-`",
    );
}

export function tooManyFiles(): VarveError {
  return notCarried(`the folder has more than ${FILES_MAX} files`, "leave some out with `ignore`");
}

function notCarried(why: string, instead: string): VarveError {
  return new VarveError("NOT_SUPPORTED", `MLflow can't keep the folder: ${why}`, {
    hint: `${instead}, or save it with \`backend: "varve"\``,
  });
}

function noModelFile(): VarveError {
  return new VarveError(
    "INVALID_ARGUMENT",
    `\`ignore\` leaves out ${MODEL_FOLDER_FILE}, which makes it a model`,
    {
      hint: 'let it in, or save with `backend: "varve"`',
    },
  );
}

/** Takes digests, and keeps the nodes of the manifest. */
class CountingSink implements TreeSink {
  readonly #nodes: NodesInMemory;
  readonly #signal: AbortSignal | undefined;
  #files = 0;

  constructor(nodes: NodesInMemory, signal: AbortSignal | undefined) {
    this.#nodes = nodes;
    this.#signal = signal;
  }

  putFile(bytes: Uint8Array, known?: Uint8Array): Uint8Array {
    this.#count();
    return known ?? contentDigest(bytes);
  }

  async putLarge(pieces: AsyncIterable<Uint8Array>): Promise<StoredContent> {
    this.#count();
    const { digest, root } = await contentOf(pieces, this.#signal);
    return { digest, ...(root && { root }) };
  }

  putNode(node: ManifestNode): Uint8Array {
    return this.#nodes.put(node);
  }

  #count(): void {
    if (++this.#files > FILES_MAX) throw tooManyFiles();
  }
}

/** What the manifest says of a file of any length. */
export async function contentOf(
  pieces: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<{ digest: Buffer; size: number; root?: Uint8Array }> {
  const hash = createHash("sha256");
  let size = 0;
  const listed = new ListedPieces(chunksOf(pieces, { signal }));
  for await (const piece of listed.pieces()) {
    hash.update(piece);
    size += piece.length;
  }
  const { root } = listed;
  return { digest: hash.digest(), size, ...(root && { root }) };
}
