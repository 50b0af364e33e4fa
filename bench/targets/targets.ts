/** What varve is meant to reach, as ratios of what was measured in turns in one run. */

import type { WorkloadName } from "../../cli/bench/subject.ts";

/** Artifacts in a store that is read: three sizes, or as many as anyhow, or it has no part in it. */
export type Size = "small" | "middle" | "large" | "usual" | "none";

export interface Side {
  subject: string;
  workload: WorkloadName;
  size: Size;
}

export interface Target {
  path: string;
  against: string;
  own: Side;
  peer: Side;
  /** Of the own rate by that of the peer, at least; where it is about time, of the own time by that of the peer, at most. */
  aim: number;
  isTime?: boolean;
}

/** What the aims are about: at other sizes the ratios say something else. */
export const TARGET_SIZES = { small: 10_000, middle: 1_000_000, large: 10_000_000 } as const;

const of = (subject: string, workload: WorkloadName, size: Size = "none"): Side => ({
  subject,
  workload,
  size,
});

/** Where a peer does the same workload. */
function byPeer(
  path: string,
  workload: WorkloadName,
  aims: readonly (readonly [peer: string, against: string, aim: number])[],
  { own = "varve", size = "none" }: { own?: string; size?: Size } = {},
): Target[] {
  return aims.map(([peer, against, aim]) => ({
    ...{ path, against, aim },
    own: of(own, workload, size),
    peer: of(peer, workload, size),
  }));
}

const LMDB_GET = "raw lmdb-js `get`, its own cbor encoding";
const LMDB_PUT = "raw lmdb-js puts, `flushed` awaited";

export const targets: readonly Target[] = [
  ...byPeer("hot `load`", "load", [["lmdb", LMDB_GET, 1.2]]),
  ...byPeer("random `load`", "load-random", [["lmdb", LMDB_GET, 1.0]], { size: "middle" }),
  ...byPeer("hot `load`", "load", [
    ["libsql", "libsql get, decoded", 4],
    ["classic-level", "classic-level get, decoded", 4],
    ["cacache", "cacache get, decoded", 250],
  ]),
  ...byPeer("`save`, many in flight, empty store", "save", [
    ["lmdb", `${LMDB_PUT} (first aim)`, 0.8],
    ["lmdb", `${LMDB_PUT} (then)`, 1.0],
    ["libsql", "SQLite, 1,000 per transaction, FULL", 1.2],
    ["cacache", "cacache put, never synced", 40],
  ]),
  ...byPeer("`save`, many in flight", "save-full", [["lmdb", LMDB_PUT, 0.5]], { size: "middle" }),
  ...byPeer("`save`, one at a time", "save-one", [
    ["append", "bare append and fdatasync", 0.8],
    ["libsql", "SQLite FULL", 1.0],
  ]),
  {
    path: "`save` of existing bytes",
    against: "first save",
    own: of("varve", "save-existing"),
    peer: of("varve", "save"),
    aim: 1.5,
  },
  ...byPeer("rows of `list`", "list", [["lmdb/rows", "raw lmdb-js range of the same rows, decoded", 0.7]], {
    size: "usual",
  }),
  {
    path: "random `load`",
    against: "the same",
    own: of("varve", "load-random", "large"),
    peer: of("varve", "load-random", "small"),
    aim: 0.5,
  },
  ...byPeer("`varve/engine` get", "load", [["lmdb", LMDB_GET, 1.0]], { own: "varve/engine" }),
  ...byPeer("`varve/engine` put", "save", [["lmdb", LMDB_PUT, 0.8]], { own: "varve/engine" }),
  {
    path: "time of `varve get`, whole process",
    against: "`node -e 0`",
    own: of("varve", "process-get"),
    peer: of("varve", "process-node"),
    aim: 2,
    isTime: true,
  },
  {
    path: "time of open",
    against: "the same",
    own: of("varve", "open", "large"),
    peer: of("varve", "open", "small"),
    aim: 1.5,
    isTime: true,
  },
];
