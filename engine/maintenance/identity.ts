import { randomBytes } from "node:crypto";
import { VarveError } from "../errors.ts";
import type { LogIdentity } from "../log/segment.ts";
import { createSegment, LOG_START, listAll, readHeaderOf } from "../log/segment.ts";
import type { Home } from "./home.ts";
import { listGenerations, logFolder } from "./home.ts";

/** What a log is of, with its own kinds of keys. Eight characters: they stand in the headers of segments. */
export type Application = "artifact" | "keyvalue" | "valuelog";

interface Kind {
  name: string;
  openedWith: string;
}

const KINDS: Record<Application, Kind> = {
  artifact: { name: "an artifact store", openedWith: "openStore, without `databaseUrl`" },
  keyvalue: { name: "a key-value engine", openedWith: "openEngine" },
  valuelog: {
    name: "where the values of a store are whose metadata are in a database",
    openedWith: "openStore, with the `databaseUrl` of that database",
  },
};

/** Who the log belongs to: what its segments say, or a new identity, with the first segment. */
export function findIdentity(home: Home): LogIdentity {
  const folder = logFolder(home.folder);
  const known = readIdentity(home);
  if (known) return known;
  // An index is made after the first segment is on the disk, never before.
  if (listGenerations(home.folder).length > 0) {
    throw new VarveError("CORRUPTION", `the log of the store is gone: there is no segment in ${folder}`, {
      hint: "put the log folder back from a backup; to begin anew, choose another folder",
      details: { file: folder },
    });
  }
  return createLog(home, folder);
}

/**
 * Undefined when there is no log yet. A segment of another store that got among them is damage, and decides nothing.
 * @throws CORRUPTION when no header can be read, or as many say one thing as another
 */
export function readIdentity(home: Pick<Home, "files" | "folder" | "application">): LogIdentity | undefined {
  const folder = logFolder(home.folder);
  const all = listAll(home.files, folder);
  if (all.length === 0) return undefined;
  const votes = new Map<string, { identity: LogIdentity; count: number }>();
  let failure: unknown;
  for (const id of all) {
    try {
      const { storeId, application } = readHeaderOf(home.files, folder, id);
      const identity = { storeId, application };
      const vote = votes.get(identity.storeId) ?? { identity, count: 0 };
      votes.set(identity.storeId, { identity, count: vote.count + 1 });
    } catch (error) {
      if (!(error instanceof VarveError) || error.code !== "CORRUPTION") throw error;
      failure ??= error;
    }
  }
  const [first, second] = [...votes.values()].sort((a, b) => b.count - a.count);
  if (!first) throw failure;
  if (first.count === second?.count) throw twoStores(folder);
  checkApplication(first.identity, home.application, home.folder);
  return first.identity;
}

function twoStores(folder: string): VarveError {
  return new VarveError("CORRUPTION", `the segments in ${folder} are those of two stores`, {
    hint: "move the files that belong to the other store out of the folder; each names its store in its header",
    details: { file: folder },
  });
}

function createLog(home: Home, folder: string): LogIdentity {
  const storeId = home.newStoreId ?? randomBytes(16).toString("hex");
  const identity = { storeId, application: home.application };
  createSegment(home.files, folder, 1, LOG_START, identity, home.now());
  return identity;
}

/** @throws INVALID_ARGUMENT for a log that keeps something else, CONFIG where it was the configuration that chose what it is to keep */
export function checkApplication(identity: LogIdentity, wanted: string, folder: string): void {
  if (identity.application === wanted) return;
  const found = kindOf(identity.application);
  const { name } = kindOf(wanted);
  const isOfConfig = [identity.application, wanted].includes("valuelog");
  const instead = isOfConfig
    ? `open it with ${found.openedWith}; or choose another home, and copy into it what is here`
    : `open it with ${found.openedWith}, or choose another folder`;
  throw new VarveError(
    isOfConfig ? "CONFIG" : "INVALID_ARGUMENT",
    `${folder} is ${found.name}, not ${name}`,
    { hint: instead },
  );
}

function kindOf(application: string): Kind {
  const other = { name: `of another kind (${JSON.stringify(application)})`, openedWith: "a newer Varve" };
  return KINDS[application as Application] ?? other;
}
