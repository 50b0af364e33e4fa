import { versionInEntry, versionKey } from "./artifact-key.ts";
import type { EnvironmentRange } from "./index/lmdb.ts";
import type { Row } from "./index/rows.ts";
import type { EngineSnapshot } from "./snapshot.ts";
import type { VersionRow } from "./versions.ts";

export interface VersionPage {
  found: VersionRow[];
  /** The key of the last one, unless there is nothing more in the range. */
  last: Buffer | undefined;
}

/** All at once; `range` is of keys of versions. */
export function versionPage(snapshot: EngineSnapshot, range: EnvironmentRange): VersionPage {
  const found: VersionRow[] = [];
  const last = snapshot.visit(range, (entry) => {
    const { name, version } = versionInEntry(entry);
    found.push(new ListedVersion(name, version, snapshot.rowIn(entry)));
  });
  return { found, last };
}

/** Few of those that are listed are asked for their keys. */
class ListedVersion implements VersionRow {
  declare readonly name: string;
  declare readonly version: number;
  declare readonly row: Row;

  constructor(name: string, version: number, row: Row) {
    this.name = name;
    this.version = version;
    this.row = row;
  }

  get key(): Buffer {
    return versionKey(this.name, this.version);
  }
}
