import { contentDigest } from "../blob/digest.ts";
import { encodeNode } from "../chunk/node.ts";
import type { FileEntry, FolderEntry, TreeEntry } from "../directory/entry.ts";
import { compareBytes, keyOf } from "../directory/entry.ts";
import { latin1 } from "../directory/format.ts";
import { Manifest } from "../directory/manifest.ts";
import { ManifestWriter } from "../directory/manifest-writer.ts";
import type { ManifestNode } from "../directory/node.ts";
import { VarveError } from "../errors.ts";
import type { KeptFolder } from "./kept.ts";

/** Nodes of a manifest, in memory: what a folder has the digest of, though a backend keeps its files. */
export class NodesInMemory {
  readonly #nodes = new Map<string, ManifestNode>();

  put(node: ManifestNode): Uint8Array {
    const digest = contentDigest(encodeNode(Buffer.concat(node.references), node.content));
    this.#nodes.set(latin1(digest), node);
    return digest;
  }

  /** The tree of a root that was put. */
  manifest(root: Uint8Array): Manifest {
    const load = (digest: Uint8Array) => this.#nodes.get(latin1(digest)) ?? missing();
    return new Manifest(load(root), load);
  }
}

/** The manifest of a folder's list, and its digest, which is that of the artifact. */
export function manifestOf({ files, folders }: KeptFolder): { manifest: Manifest; digest: Uint8Array } {
  const entries: TreeEntry[] = [
    ...files.map((file): FileEntry => ({ kind: "file", ...file })),
    ...folders.map((path): FolderEntry => ({ kind: "directory", path })),
  ];
  entries.sort((a, b) => compareBytes(keyOf(a), keyOf(b)));
  const nodes = new NodesInMemory();
  const writer = new ManifestWriter((node) => nodes.put(node));
  for (const entry of entries) writer.add(entry);
  const { root } = writer.finish();
  return { manifest: nodes.manifest(root), digest: root };
}

function missing(): never {
  throw new VarveError("CORRUPTION", "a part of the manifest of a directory is not there", {
    hint: "put the metadata back from a backup",
  });
}
