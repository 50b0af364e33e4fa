/** What the benchmark of metadata databases measures, each step in a process of its own. */

export type DatabaseKind = "postgresql" | "mariadb" | "sqlite";
export const KINDS: readonly DatabaseKind[] = ["postgresql", "mariadb", "sqlite"];

/** `bind` makes the tables; `copy` inserts what another step has written, as the driver alone does it. */
export type MetadataStep = "bind" | "fill" | "units" | "saves" | "copy" | "get" | "list";

/** Saves in flight. */
export const CALLERS = 1_000;
/** Of reads. */
export const AT_ONCE = [1, 32] as const;

/** Slices of reads of each kind; how long one is, as a share of what a measurement takes. */
export const SLICES = { count: 9, share: 1 / 6 };

export interface ReadFigures {
  atOnce: number;
  /** Of the port, of the store, of one prepared select by the driver: reads a second of each slice, in turns. */
  find: number[];
  get: number[];
  select: number[];
}

export interface MetadataFigures {
  /** Of what was timed: versions written, rows listed. */
  count: number;
  seconds: number;
  /** Transactions that it took, where that is known. */
  transactions?: number;
  reads?: ReadFigures[];
  /** The most that was resident above what was before. */
  memory?: number;
  /** The most that was kept, above what was before: behind a collection of garbage, at a few places of the list. */
  kept?: number;
}
