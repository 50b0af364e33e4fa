import { artifactDocument, artifactLine } from "../artifact-text.ts";
import { withStore } from "../context.ts";
import { usageError } from "../errors.ts";
import { filterFrom, filterOptions } from "../list-filter.ts";
import { NameTree } from "../name-tree.ts";
import { defineVerb } from "../verb.ts";

export default defineVerb({
  name: "list",
  optional: ["pattern"],
  options: {
    ...filterOptions,
    tree: { kind: "flag", describe: "as a tree by the levels of the names" },
  },
  about:
    "The latest version of each name, in order of names; times are UTC. In the pattern * stands for anything within a level, " +
    "** for anything. The filters must all hold.",
  examples: [
    ["varve list", "everything"],
    ["varve list 'iris/**' --tag stage=dev", "what is below iris and has the tag"],
    ["varve list --where \"metadata.accuracy >= 0.9 and tags.stage = 'dev'\"", "what fulfils a condition"],
    ["varve list --all-versions --sort createdAt --reverse --limit 10", "the ten newest versions"],
    ["varve list --tree --all-versions", "all that there is, level by level"],
  ],
  async run({ given: { pattern }, options }, context) {
    if (options.tree && context.json) throw usageError("--tree and --json exclude each other");
    if (options.tree && (options.sort ?? "name") !== "name") throw usageError("--tree is sorted by name");
    const filter = await filterFrom(pattern, options);
    const tree = options.tree ? new NameTree() : undefined;
    await withStore(context, "read", async (store, call) => {
      for await (const artifact of store.list({ ...filter, ...call })) {
        if (context.json) await context.output.document(artifactDocument(artifact));
        else if (tree) for (const line of tree.linesOf(artifact)) await context.output.line(line);
        else await context.output.line(artifactLine(artifact));
      }
    });
    return undefined;
  },
});
