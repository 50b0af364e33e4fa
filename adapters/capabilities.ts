/** What a store can do, by where its metadata are. Printed by `varve doctor`, and tried on each by the tests. */

export const METADATA_KINDS = ["embedded", "sqlite", "postgresql", "mysql", "mariadb"] as const;
export type MetadataKind = (typeof METADATA_KINDS)[number];

export interface Capability {
  /** What is done, in the words of the API. */
  does: string;
  /** Calls of `ArtifactStore` that are refused with `NOT_SUPPORTED` where it can't be done. */
  calls: readonly string[];
  /** Where it can be done. */
  in: readonly MetadataKind[];
}

const SERVERS: readonly MetadataKind[] = ["postgresql", "mysql", "mariadb"];

export const CAPABILITIES: readonly Capability[] = [
  {
    does: "save, load, stream, batch",
    calls: ["save", "saveFile", "saveDirectory", "load", "get", "find", "has", "batch"],
    in: METADATA_KINDS,
  },
  {
    does: "list, versions, aliases, lineage, stats",
    calls: ["list", "versions", "aliases", "lineage", "stats"],
    in: METADATA_KINDS,
  },
  {
    does: "alias, annotate, delete, undelete",
    calls: ["setAlias", "deleteAlias", "annotate", "delete", "undelete"],
    in: METADATA_KINDS,
  },
  {
    does: "prune, compact, verify, repair",
    calls: ["prune", "compact", "verify", "repair"],
    in: METADATA_KINDS,
  },
  { does: "forget history (`compact({ historyBefore })`)", calls: [], in: METADATA_KINDS },
  { does: "backup, rebuild of the index", calls: ["backup", "rebuildIndex"], in: ["embedded"] },
  { does: "several processes on a machine", calls: [], in: METADATA_KINDS },
  { does: "several machines", calls: [], in: SERVERS },
];

/** A line for each, behind a line of titles; cells are `yes` or `no`. */
export function capabilityRows(): string[][] {
  const rows = CAPABILITIES.map(({ does, in: where }) => [
    does,
    ...METADATA_KINDS.map((kind) => (where.includes(kind) ? "yes" : "no")),
  ]);
  return [["metadata in", ...METADATA_KINDS], ...rows];
}
