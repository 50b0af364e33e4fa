import type { ListFilter } from "../../engine/main.ts";
import { artifactDocument, artifactLine } from "../artifact-text.ts";
import { withStore } from "../context.ts";
import { optional, tagsFrom, wholeNumberFrom } from "../pairs.ts";
import { defineVerb, type OptionValues } from "../verb.ts";

const options = {
  tag: { kind: "list", describe: "only with these tags, as key=value" },
  "all-versions": { kind: "flag", describe: "every version instead of the latest" },
  deleted: { kind: "flag", describe: "deleted versions instead of live ones" },
  limit: { kind: "text", describe: "at most so many" },
  after: { kind: "text", describe: "go on after this ref, the last of an earlier list" },
  reverse: { kind: "flag", describe: "the other way round" },
} as const;

function filterFrom(pattern: string | undefined, given: OptionValues<typeof options>): ListFilter {
  const limit = given.limit === undefined ? undefined : wholeNumberFrom(given.limit, "limit", 1);
  return {
    tags: tagsFrom(given.tag),
    allVersions: given["all-versions"],
    deleted: given.deleted,
    reverse: given.reverse,
    ...optional("name", pattern),
    ...optional("limit", limit),
    ...optional("after", given.after),
  };
}

export default defineVerb({
  name: "list",
  optional: ["pattern"],
  options,
  about:
    "The latest version of each name, in order of names; times are UTC. In the pattern * stands for anything within a level, " +
    "** for anything.",
  examples: [
    ["varve list", "everything"],
    ["varve list 'iris/**' --tag stage=dev", "what is below iris and has the tag"],
    ["varve list iris/model --all-versions --limit 10", "the ten newest versions"],
  ],
  async run({ given: { pattern }, options: given }, context) {
    const filter = filterFrom(pattern, given);
    await withStore(context, "read", async (store, call) => {
      for await (const artifact of store.list({ ...filter, ...call })) {
        if (context.json) await context.output.document(artifactDocument(artifact));
        else await context.output.line(artifactLine(artifact));
      }
    });
    return undefined;
  },
});
