import type { CallOptions } from "../api.ts";
import { signalOf } from "../call-options.ts";
import { isSoundPath, quoted } from "../directory/entry.ts";
import { VarveError } from "../errors.ts";
import { MEDIA_TYPE_DIRECTORY } from "../large/directory-source.ts";
import type { ValueFacts } from "../ports/metadata-store.ts";
import type { BackendPlace, StorageBackend } from "../ports/storage-backend.ts";
import { contentOf, FILES_MAX, tooManyFiles } from "./folder.ts";
import type { KeptFile, KeptFolder } from "./kept.ts";
import { manifestOf } from "./manifest.ts";

/** A model that somebody else has put into the backend, read once from its beginning to its end for its digests. */
export async function adoptedModel(
  backend: StorageBackend,
  uri: string,
  options: CallOptions,
): Promise<{ facts: ValueFacts; place: BackendPlace; folder: KeptFolder }> {
  const call = signalOf(options);
  const place = await backend.resolve(uri, call);
  const listed = await backend.list(place, call);
  if (listed.length === 0) throw isEmpty(uri);
  if (listed.length > FILES_MAX) throw tooManyFiles();
  const total = listed.length;
  const files: KeptFile[] = [];
  for (const { path } of listed) {
    if (!isSoundPath(path)) throw oddPath(uri, path);
    const { digest, size, root } = await contentOf(backend.pieces(place, path, call), options.signal);
    files.push({ path, size, digest, ...(root && { root: Buffer.from(root) }), executable: false });
    options.onProgress?.({ phase: "reading files", done: files.length, total, unit: "files" });
  }
  const folder = { files, folders: [] };
  const { digest } = manifestOf(folder);
  const size = files.reduce((sum, file) => sum + file.size, 0);
  return { facts: { digest, size, mediaType: MEDIA_TYPE_DIRECTORY }, place, folder };
}

function isEmpty(uri: string): VarveError {
  return new VarveError("NOT_FOUND", `${uri} has no files`, {
    hint: "its upload may have failed; look at it in MLflow",
  });
}

function oddPath(uri: string, path: string): VarveError {
  return new VarveError("NOT_SUPPORTED", `${uri} has a file that no folder can have: ${quoted(path)}`, {
    hint: "rename it in MLflow, and log the model again",
  });
}
