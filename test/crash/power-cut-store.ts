import type { ArtifactStore } from "../../engine/api.ts";
import { familyOf } from "../../engine/artifact-record.ts";
import { CodecRegistry } from "../../engine/codec/codec.ts";
import type { OpenOptions } from "../../engine/open.ts";
import { openCore } from "../../engine/open.ts";
import { EmbeddedStore } from "../../engine/store.ts";
import type { SimulatedDisk } from "./simulated-disk.ts";

/** A store over a simulated disk, to be closed by who opened it. */
export async function openOver(
  disk: SimulatedDisk,
  options: Partial<OpenOptions> = {},
  durable = true,
): Promise<ArtifactStore> {
  const handle = await openCore(disk.home, { application: "artifact", familyOf, files: disk, ...options });
  const readOnly = options.readOnly ?? false;
  return new EmbeddedStore(handle, {
    home: handle.core.folder,
    readOnly,
    durable,
    codecs: new CodecRegistry(),
  });
}
