/**
 * A piece of a manifest as the store keeps it: its content, and the digests of what it needs. The store counts those
 * references, so that what a tree needs stays as long as the tree.
 */
export interface ManifestNode {
  /** 32 bytes each. */
  references: readonly Uint8Array[];
  content: Uint8Array;
}

/** Takes a node to be kept, and gives the digest that it is found again by. */
export type PutNode = (node: ManifestNode) => Uint8Array;

/** @throws CORRUPTION where the bytes do not have that digest, NOT_FOUND where they are gone */
export type LoadNode = (digest: Uint8Array) => ManifestNode | Promise<ManifestNode>;
