import { createHash, randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import type { BackendFile, BackendPlace, BackendValue, StorageBackend } from "../../../engine/main.ts";
import { filesUnder } from "../../helpers/folders.ts";
import "../../helpers/whole-suites.ts";

/** Values for a backend, without a store: as the engine gives them. */

export function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

/** A model of ONNX, as far as a backend can tell. */
export function fileValue(bytes: Uint8Array): BackendValue {
  const file = { path: "model.onnx", size: bytes.byteLength, digest: sha256(bytes) };
  return {
    kind: "file",
    digest: file.digest,
    size: file.size,
    mediaType: "application/onnx",
    files: [file],
    async *pieces() {
      for (let at = 0; at < bytes.byteLength; at += 65_536) yield bytes.subarray(at, at + 65_536);
    },
  };
}

export function folderValue(folder: string): BackendValue {
  const files = filesUnder(folder).map((path): BackendFile => {
    const digest = sha256(readFileSync(path));
    return { path: relative(folder, path), size: statSync(path).size, digest };
  });
  return {
    kind: "directory",
    digest: sha256(Buffer.concat(files.map(({ digest }) => digest))),
    size: files.reduce((sum, { size }) => sum + size, 0),
    mediaType: "application/vnd.varve.directory",
    files,
    async *pieces({ path }) {
      yield readFileSync(join(folder, path));
    },
  };
}

/** Nobody else's: all tests share one server. */
export function fresh(name: string): string {
  return `${name}-${randomBytes(6).toString("hex")}`;
}

export async function bytesOf(backend: StorageBackend, place: BackendPlace, path: string): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of backend.pieces(place, path)) pieces.push(Uint8Array.from(piece));
  return Buffer.concat(pieces);
}

export interface Given {
  storeId?: string;
  name?: string;
  version?: number;
  isAgain?: boolean;
  mlflow?: object;
}

/** Keeps a value, by default as version 1 of a name of its own. */
export function keepIn(
  backend: StorageBackend,
  value: BackendValue,
  given: Given = {},
): Promise<BackendPlace> {
  const { storeId = "store", name = fresh("model"), version = 1, isAgain, mlflow } = given;
  const options = backend.takeOptions(name, mlflow, value.kind);
  return backend.keep(value, { storeId, name, version, options, ...(isAgain && { isAgain }) });
}
