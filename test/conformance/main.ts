/** What an implementation of a port must pass: `varve/conformance`. */
export type { BlobPlace, BlobSuiteParts, Damage, Test } from "./blob-store.ts";
export { testBlobStore } from "./blob-store.ts";
export type { MetadataTesting, OpenedMetadata } from "./metadata-store.ts";
export { metadataStoreConformance } from "./metadata-store.ts";
export type { OpenedStore, StoreTesting, StoreTestOptions } from "./store.ts";
export { storeConformance } from "./store.ts";
