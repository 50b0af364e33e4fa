import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fromSystemError } from "../../errors.ts";
import {
  listSegments,
  nextRewrittenId,
  publish,
  removeIfPossible,
  segmentPath,
  syncNames,
} from "../../log/segment.ts";
import type { Run } from "./choose.ts";
import type { Ground } from "./condemn.ts";
import { isGround } from "./condemn.ts";
import type { Decision, SourceParts } from "./decide.ts";
import type { CompactorLock, CompactParts } from "./parts.ts";
import { startOver } from "./parts.ts";
import { readBack } from "./read-back.ts";
import { rewrittenHeader, writeRewritten } from "./rewrite.ts";

/** As other segments without a name yet, but to be told from those: they may be long, and nobody waits for a reboot. */
const REWRITING_PREFIX = "new-c0c0c0c0";
const REWRITING_NAME = new RegExp(`^${REWRITING_PREFIX}[0-9a-f]{4}\\.tmp$`);

function rewritingPath(folder: string): string {
  return join(folder, `${REWRITING_PREFIX}${randomBytes(2).toString("hex")}.tmp`);
}

/** Removes what compactions left that were killed. Only who has the lease may. */
export function removeRewriting({ files, folder }: CompactParts): void {
  for (const name of files.list(folder))
    if (REWRITING_NAME.test(name)) removeIfPossible(files, join(folder, name));
}

/**
 * Writes the segment that stands for a run from now on, and gives its id. Until it has its name nothing has changed; from
 * then on the old files only serve who has places in them.
 * @throws DamagedSource, or an error after which everything is as it was, or as a process leaves it that dies here
 */
export async function publishRewritten(
  parts: CompactParts,
  lock: CompactorLock,
  source: SourceParts,
  run: Run,
  decision: Decision,
  ground: Ground,
): Promise<number> {
  const { files, folder } = parts;
  const id = nextRewrittenId(files, folder, run[0]!.id, run.at(-1)!.id);
  const header = rewrittenHeader(source, run, id, decision, parts.now());
  const path = rewritingPath(folder);
  try {
    await writeRewritten(files, path, source, run, decision, header);
    await readBack(files, path, id, header, source.pace);
    source.pace.check();
    // A copy of a blob that goes may have its twin at the end of the log.
    await parts.settle();
    await lock.hold((state) => {
      if (!isGround(state, ground) || state.syncFailed) throw startOver();
      const ids = new Set(listSegments(files, folder, parts.identity));
      if (!run.every((space) => ids.has(space.id))) throw startOver();
      giveName(parts, path, segmentPath(folder, id));
    });
    return id;
  } catch (error) {
    removeIfPossible(files, path);
    throw error;
  }
}

/**
 * A name that was given counts from then on, also where it could not be put on the disk: taken back, it might return with
 * a power cut and hide what was saved since. The next compaction ends what this one began.
 */
function giveName({ files, folder }: CompactParts, from: string, to: string): void {
  try {
    publish(files, from, to);
    syncNames(files, folder);
  } catch (error) {
    throw fromSystemError((error as Error).cause ?? error, "giving a segment its name", {
      hint: "check the disk, and compact again; nothing is lost",
    });
  }
}
