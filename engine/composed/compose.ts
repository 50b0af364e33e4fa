import type { StoreOptions } from "../api.ts";
import { CodecRegistry } from "../codec/codec.ts";
import { TakenEnvironment, takeParts } from "../environment/take.ts";
import type { BlobStore } from "../ports/blob-store.ts";
import type { MetadataStore } from "../ports/metadata-store.ts";
import type { ComposedSettings } from "./store.ts";
import { ComposedStore } from "./store.ts";

export interface ComposeOptions
  extends Pick<ComposedSettings, "home" | "graceMilliseconds" | "openFolder" | "backend">,
    Pick<StoreOptions, "codecs" | "environment" | "readOnly" | "clock"> {}

/** What opens both parts of a store: called once all else was found to be sound. */
export type OpenBoth = () => Promise<{ metadata: MetadataStore; blobs: BlobStore }>;

/**
 * A store over what is opened, which it closes. Where this fails nothing of it stays open.
 * @throws INVALID_ARGUMENT for codecs or parts of the environment that are none; as `openBoth`
 */
export async function composeStore(options: ComposeOptions, openBoth: OpenBoth): Promise<ComposedStore> {
  const { home, readOnly = false, clock, graceMilliseconds, openFolder, backend } = options;
  const codecs = new CodecRegistry(options.codecs);
  const parts = takeParts(options.environment);
  const environment = readOnly || !parts ? undefined : new TakenEnvironment(parts);
  try {
    const both = await openBoth();
    await environment?.opened;
    const settings = { home, readOnly, clock, graceMilliseconds, openFolder, backend, codecs, environment };
    return new ComposedStore({ ...settings, ...both });
  } catch (error) {
    environment?.stop();
    throw error;
  }
}
