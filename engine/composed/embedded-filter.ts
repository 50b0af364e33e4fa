import type { TakenFilter } from "../filter.ts";
import { takeFilter } from "../filter.ts";
import type { ListQuery } from "../ports/metadata-store.ts";

/** What of a query can be answered without a record being made. */
export function filterOf({
  mode,
  sort,
  reverse,
  limit,
  after,
  prefix,
  isExact,
  hints,
}: ListQuery): TakenFilter {
  const { since, until, digestPrefix, backend: _, ...rest } = hints;
  const filter = takeFilter({
    ...rest,
    ...(since !== undefined && { since: new Date(since) }),
    ...(until !== undefined && { until: new Date(until) }),
    ...(digestPrefix && { digest: digestPrefix }),
  });
  const matches = (name: string) => (isExact ? name === prefix : name.startsWith(prefix));
  return { ...filter, glob: { prefix, exact: isExact, matches }, mode, sort, reverse, limit, after };
}
