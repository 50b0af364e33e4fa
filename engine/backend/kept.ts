import { Buffer } from "node:buffer";
import type { JsonObject, MlflowFacts } from "../api.ts";
import { VarveError } from "../errors.ts";
import type { VersionRecord } from "../ports/metadata-store.ts";
import type { BackendPlace } from "../ports/storage-backend.ts";

/** What a version says of a value that a backend keeps: `README.md` has its form. */

/** What the only file of a value that is one file is called there. */
export const MODEL_FILE = "model.onnx";

export interface KeptFile {
  path: string;
  size: number;
  digest: Buffer;
  /** Of a file in chunks: see `FileEntry`. */
  root?: Buffer;
  executable: boolean;
}

export interface KeptFolder {
  files: readonly KeptFile[];
  /** Those that are empty. */
  folders: readonly string[];
}

export interface Kept {
  place: BackendPlace;
  /** Absent of a value that is one file. */
  folder?: KeptFolder;
  /** Where it was before it was found to be damaged there, and was put into another place. */
  earlier?: readonly BackendPlace[];
}

/** A version that a backend keeps, as far as its value is concerned. */
export type KeptVersion = Pick<VersionRecord, "name" | "version" | "digest" | "size" | "mediaType"> & {
  kept: JsonObject;
};

export function encodeKept({ place, folder, earlier = [] }: Kept): JsonObject {
  const places = { place, ...(earlier.length > 0 && { earlier: [...earlier] }) };
  if (!folder) return places;
  const files = folder.files.map(({ path, size, digest, root, executable }) => ({
    path,
    size,
    digest: digest.toString("hex"),
    ...(root && { root: root.toString("hex") }),
    ...(executable && { executable }),
  }));
  return { ...places, files, ...(folder.folders.length > 0 && { folders: [...folder.folders] }) };
}

export function decodeKept({ kept }: Pick<KeptVersion, "kept">): Kept {
  const [place, ...earlier] = placesOf(kept) as [BackendPlace, ...BackendPlace[]];
  const { files, folders = [] } = kept as { files?: JsonObject[]; folders?: string[] };
  if (!files) return { place, earlier };
  const bytes = (digits: unknown) => Buffer.from(String(digits), "hex");
  const decoded = files.map(({ path, size, digest, root, executable }) => ({
    path: String(path),
    size: Number(size),
    digest: bytes(digest),
    ...(root !== undefined && { root: bytes(root) }),
    executable: executable === true,
  }));
  return { place, folder: { files: decoded, folders }, earlier };
}

/** All that the backend has for a version: where it is, and where it was. @throws CORRUPTION */
export function placesOf(kept: JsonObject): BackendPlace[] {
  const { earlier = [] } = kept as { earlier?: BackendPlace[] };
  return [placeOf(kept), ...earlier];
}

/** @throws CORRUPTION */
export function placeOf(kept: JsonObject | undefined): BackendPlace {
  const place = kept?.place;
  if (typeof place === "object" && place !== null && !Array.isArray(place)) return place;
  throw new VarveError("CORRUPTION", "nothing tells where the backend keeps the value", {
    hint: "put the metadata back from a backup",
  });
}

const FACTS = [
  ...(["trackingUri", "modelUri", "registryUri", "modelId", "runId", "experimentId"] as const),
  ...(["registeredName", "registeredVersion", "flavor"] as const),
] as const;

/** What users are shown. Undefined where there is none. */
export function mlflowFacts(kept: JsonObject): MlflowFacts | undefined {
  const { place } = kept;
  if (typeof place !== "object" || place === null || Array.isArray(place)) return undefined;
  const told = FACTS.flatMap((fact) => (typeof place[fact] === "string" ? [[fact, place[fact]]] : []));
  return Object.freeze(Object.fromEntries(told)) as MlflowFacts;
}

/** Whether nothing of the one could be removed without the other: they are the same version there. */
export function isSamePlace(one: BackendPlace, other: BackendPlace): boolean {
  if (one.trackingUri !== other.trackingUri) return false;
  if (one.modelUri === other.modelUri) return true;
  const { registeredName, registeredVersion } = one;
  return (
    registeredVersion !== undefined &&
    registeredName === other.registeredName &&
    registeredVersion === other.registeredVersion
  );
}

/** Whether both may be over the same bytes. */
export function sharesBytes(one: BackendPlace, other: BackendPlace): boolean {
  const isSameModel = one.modelId !== undefined && one.modelId === other.modelId;
  return isSamePlace(one, other) || (one.trackingUri === other.trackingUri && isSameModel);
}
