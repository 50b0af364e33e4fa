import type { Artifact, CallOptions, ListFilter } from "../api.ts";
import { signalOf } from "../call-options.ts";
import { throwIfAborted } from "../errors.ts";
import type { TakenFilter } from "../filter.ts";
import { takeFilter } from "../filter.ts";
import { copyTags } from "../metadata.ts";
import type { ListQuery, MetadataStore, VersionRecord } from "../ports/metadata-store.ts";
import { factsOf } from "./artifact.ts";

/** So many artifacts wait to be taken, at most. */
const PAGE_MAX = 64;

/** The versions that a filter lets through, in its order. The database may do a part of it; what is let through is said here. */
export async function* listRecords(
  metadata: MetadataStore,
  filter: ListFilter,
  artifactOf: (record: VersionRecord) => Artifact,
): AsyncGenerator<Artifact[]> {
  const taken = takeFilter(filter);
  if (taken.limit === 0) return;
  const query = queryOf(taken, filter);
  yield* pagesOf(metadata.list(query), artifactOf);
}

/** The live versions of one name, oldest first. */
export async function* versionRecords(
  metadata: MetadataStore,
  name: string,
  artifactOf: (record: VersionRecord) => Artifact,
  options?: CallOptions,
): AsyncGenerator<Artifact[]> {
  yield* pagesOf(metadata.versions(name, signalOf(options)), artifactOf);
}

/** Several at a time, which costs less: the first is given at once, then ever more. What comes before a failure is given too. */
async function* pagesOf(
  records: AsyncIterable<VersionRecord>,
  artifactOf: (record: VersionRecord) => Artifact,
): AsyncGenerator<Artifact[]> {
  const page: Artifact[] = [];
  let length = 1;
  try {
    for await (const record of records) {
      if (page.push(artifactOf(record)) < length) continue;
      yield page.splice(0);
      length = Math.min(2 * length, PAGE_MAX);
    }
  } finally {
    if (page.length > 0) yield page;
  }
}

function queryOf(taken: TakenFilter, filter: ListFilter): ListQuery {
  const { glob, mode, sort, reverse, limit, after, conditions } = taken;
  // Behind the latest version of a name comes nothing of that name, whatever has become of it.
  const isDone = ({ name }: VersionRecord) => mode === "latest" && sort === "name" && name === after?.name;
  return {
    ...{
      mode,
      sort,
      reverse,
      limit,
      prefix: glob.prefix,
      isExact: glob.exact,
      hints: hintsOf(taken, filter),
    },
    ...(after && { after }),
    matches: (record) => {
      throwIfAborted(filter.signal);
      if (!glob.matches(record.name) || isDone(record)) return false;
      const facts = factsOf(record);
      return conditions.every((condition) => condition.holds(facts));
    },
  };
}

/** All of it is among the conditions too. */
function hintsOf({ digest }: TakenFilter, filter: ListFilter): ListQuery["hints"] {
  const { mediaType, createdBy, since, until, minSize, maxSize } = filter;
  const tags = copyTags(filter.tags);
  return {
    ...(tags && { tags }),
    ...(mediaType !== undefined && { mediaType }),
    ...(createdBy !== undefined && { createdBy }),
    ...(since && { since: since.getTime() }),
    ...(until && { until: until.getTime() }),
    ...(minSize !== undefined && { minSize }),
    ...(maxSize !== undefined && { maxSize }),
    ...(digest !== undefined && { digestPrefix: digest }),
  };
}
