import { DIGEST_BYTES } from "../log/format.ts";
import type { Found, FoundFile } from "./scan.ts";

/** What an entry is, one byte each. */
const Kind = { file: 0, executable: 1, readFile: 2, readExecutable: 3, link: 4, folder: 5 } as const;
const STAMP_NUMBERS = 3;

/** Entries as they go from one thread to another: a few large things are handed over faster than many small ones. */
export interface PackedEntries {
  kinds: Uint8Array;
  paths: string[];
  /** Where the links among them lead. */
  targets: string[];
  sizes: Float64Array;
  stamps: BigInt64Array;
  /** 32 bytes for each, zeros for those that were not read. */
  digests: Uint8Array;
  /** Those that were read, one behind the other. */
  contents: Uint8Array;
}

/** @param contents what of the files was read, in order and with nothing between, to be handed over */
export function packed(entries: readonly Found[], contents: Uint8Array): PackedEntries {
  const digests = new Uint8Array(entries.length * DIGEST_BYTES);
  const sizes = new Float64Array(entries.length);
  const stamps = new BigInt64Array(entries.length * STAMP_NUMBERS);
  for (const [i, entry] of entries.entries()) {
    if (entry.kind !== "file") continue;
    if (entry.read) digests.set(entry.read.digest, i * DIGEST_BYTES);
    sizes[i] = entry.size;
    stamps[i * STAMP_NUMBERS] = entry.stamp.mtimeNs;
    stamps[i * STAMP_NUMBERS + 1] = entry.stamp.ctimeNs;
    stamps[i * STAMP_NUMBERS + 2] = entry.stamp.inode;
  }
  return {
    kinds: Uint8Array.from(entries, kindOf),
    paths: entries.map(({ path }) => path),
    targets: entries.flatMap((entry) => (entry.kind === "link" ? [entry.target] : [])),
    ...{ sizes, stamps, contents, digests },
  };
}

/** What of it need not be copied. */
export function memoryOf({ contents, digests, sizes, stamps }: PackedEntries): ArrayBuffer[] {
  return [contents, digests, sizes, stamps].map(({ buffer }) => buffer as ArrayBuffer);
}

export function unpacked(entries: PackedEntries): Found[] {
  const { kinds, paths, targets, contents, digests } = entries;
  let links = 0;
  let at = 0;
  return paths.map((path, i) => {
    const kind = kinds[i];
    if (kind === Kind.folder) return { kind: "directory", path };
    if (kind === Kind.link) return { kind: "link", path, target: targets[links++]! };
    const file = fileAt(entries, path, i);
    if (kind === Kind.readFile || kind === Kind.readExecutable) {
      const bytes = Buffer.from(contents.buffer, at, file.size);
      file.read = { bytes, digest: Buffer.from(digests.buffer, i * DIGEST_BYTES, DIGEST_BYTES) };
      at += file.size;
    }
    return file;
  });
}

function fileAt({ kinds, sizes, stamps }: PackedEntries, path: string, i: number): FoundFile {
  return {
    kind: "file",
    path,
    size: sizes[i]!,
    executable: kinds[i] === Kind.executable || kinds[i] === Kind.readExecutable,
    stamp: {
      mtimeNs: stamps[i * STAMP_NUMBERS]!,
      ctimeNs: stamps[i * STAMP_NUMBERS + 1]!,
      inode: BigInt.asUintN(64, stamps[i * STAMP_NUMBERS + 2]!),
    },
  };
}

function kindOf(entry: Found): number {
  if (entry.kind === "directory") return Kind.folder;
  if (entry.kind === "link") return Kind.link;
  if (entry.read) return entry.executable ? Kind.readExecutable : Kind.readFile;
  return entry.executable ? Kind.executable : Kind.file;
}
