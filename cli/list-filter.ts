/** The options of `list`, and the library's filter that they stand for. */

import type { ListFilter } from "../engine/main.ts";
import {
  choiceFrom,
  metadataFrom,
  optional,
  sizeFrom,
  tagsFrom,
  timeFrom,
  wholeNumberFrom,
} from "./pairs.ts";
import type { OptionValues } from "./verb.ts";

const SORTS = ["name", "createdAt", "size"] as const;

export const filterOptions = {
  where: { kind: "text", describe: "a condition, such as metadata.accuracy >= 0.9 and tags.stage = 'dev'" },
  tag: { kind: "list", describe: "only with these tags, as key=value" },
  meta: { kind: "list", describe: 'only with this metadata, as key=JSON or key={"gte":0.9}' },
  since: { kind: "text", describe: "saved at this time (UTC) or after" },
  until: { kind: "text", describe: "saved at this time (UTC) or before" },
  "media-type": { kind: "text", describe: "of exactly this media type" },
  "min-size": { kind: "text", describe: "of at least so many bytes, also as 10MB or 64MiB" },
  "max-size": { kind: "text", describe: "of at most so many bytes" },
  digest: { kind: "text", describe: "whose digest begins like this" },
  "created-by": { kind: "text", describe: "saved by this user" },
  "all-versions": { kind: "flag", describe: "every version instead of the latest" },
  deleted: { kind: "flag", describe: "deleted versions instead of live ones" },
  sort: { kind: "text", describe: `by ${SORTS.join(", ")}; default name` },
  reverse: { kind: "flag", describe: "the other way round" },
  limit: { kind: "text", describe: "at most so many" },
  after: { kind: "text", describe: "go on after this ref, the last of an earlier list" },
} as const;

export type FilterValues = OptionValues<typeof filterOptions>;

function given<Value, Result>(value: Value | undefined, read: (value: Value) => Result): Result | undefined {
  return value === undefined ? undefined : read(value);
}

/** @throws a usage error for words that can't be read; the library checks the rest */
export async function filterFrom(pattern: string | undefined, values: FilterValues): Promise<ListFilter> {
  return {
    tags: tagsFrom(values.tag),
    // Operators are JSON too.
    metadata: metadataFrom(values.meta) as NonNullable<ListFilter["metadata"]>,
    allVersions: values["all-versions"],
    deleted: values.deleted,
    reverse: values.reverse,
    ...optional("name", pattern),
    ...optional("where", values.where),
    ...optional("mediaType", values["media-type"]),
    ...optional("digest", values.digest),
    ...optional("createdBy", values["created-by"]),
    ...optional("after", values.after),
    ...optional("sort", choiceFrom(values.sort, "sort", SORTS)),
    ...optional(
      "limit",
      given(values.limit, (text) => wholeNumberFrom(text, "limit", 1)),
    ),
    ...optional(
      "since",
      given(values.since, (text) => timeFrom(text, "since")),
    ),
    ...optional(
      "until",
      given(values.until, (text) => timeFrom(text, "until")),
    ),
    ...optional("minSize", await given(values["min-size"], (text) => sizeFrom(text, "min-size"))),
    ...optional("maxSize", await given(values["max-size"], (text) => sizeFrom(text, "max-size"))),
  };
}
