import { fileURLToPath } from "node:url";
import type {
  BackendSettings,
  BlobOptions,
  BlobStore,
  MetadataOptions,
  MetadataStore,
  Places,
  StorageBackend,
} from "../engine/main.ts";
import { VarveError } from "../engine/main.ts";

/** The adapters by the URLs that they are for. Each is loaded when it is asked for. */
export const places: Places = { openMetadata, openBlobs, openBackend };

async function openMetadata(url: string, options: MetadataOptions): Promise<MetadataStore> {
  const { openMetadata: open } = await import("./metadata/open.ts");
  return open(url, options);
}

async function openBackend(settings: BackendSettings): Promise<StorageBackend> {
  const { openMlflow } = await import("./mlflow/open.ts");
  return openMlflow(settings);
}

/** A path or `file://` URL is a folder. */
async function openBlobs(location: string, options: BlobOptions): Promise<BlobStore> {
  const folder = folderOf(location);
  const { openFolderBlobs } = await import("./storage/folder/open.ts");
  return openFolderBlobs(folder, options);
}

function folderOf(location: string): string {
  const [, scheme] = /^([a-z][a-z0-9+.-]+):/i.exec(location) ?? [];
  if (scheme === undefined) return location;
  if (/^file:\/\//i.test(location)) return filePath(location);
  throw new VarveError("CONFIG", `values can't be kept at a URL that begins with ${scheme}:`, {
    hint: "artifact_storage_dir is a folder, or a URL that begins with file:///",
    details: { item: "artifact_storage_dir" },
  });
}

function filePath(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw new VarveError("CONFIG", "artifact_storage_dir is not the URL of a folder on this machine", {
      hint: "it begins with file:/// and goes on with the path",
      details: { item: "artifact_storage_dir" },
      cause: error,
    });
  }
}
