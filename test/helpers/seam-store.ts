import type { ArtifactStore } from "../../engine/api.ts";
import { familyOf } from "../../engine/artifact-key.ts";
import { CodecRegistry } from "../../engine/codec/codec.ts";
import type { OpenOptions } from "../../engine/open.ts";
import { openCore } from "../../engine/open.ts";
import type { SizeCapSettings } from "../../engine/size-cap.ts";
import { EmbeddedStore } from "../../engine/store.ts";

/** A store over the seams that users don't see, such as the files of the log and the size of a segment. */
export async function openOverSeams(
  home: string,
  options: Partial<OpenOptions> = {},
  durability: "durable" | "buffered" = "durable",
  cap?: SizeCapSettings,
): Promise<ArtifactStore> {
  const handle = await openCore(home, { application: "artifact", familyOf, ...options });
  return new EmbeddedStore(handle, {
    home: handle.core.folder,
    readOnly: options.readOnly ?? false,
    durable: durability === "durable",
    codecs: new CodecRegistry(),
    cap,
  });
}
