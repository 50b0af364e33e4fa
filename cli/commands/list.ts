import { artifactDocument, artifactLine } from "../artifact-text.ts";
import { type Context, withStore } from "../context.ts";
import { directoryOf, entryDocument, isDirectory, treeLines } from "../directory.ts";
import { usageError } from "../errors.ts";
import { filterFrom, filterOptions } from "../list-filter.ts";
import { NameTree } from "../name-tree.ts";
import { defineVerb } from "../verb.ts";

/** What no name can hold tells a ref from a pattern. */
const isRef = (text: string): boolean => /[:@]/.test(text);

function hasFilters(options: Record<string, unknown>): boolean {
  const given = Object.keys(filterOptions).map((name) => options[name]);
  return given.some((value) => (Array.isArray(value) ? value.length > 0 : Boolean(value)));
}

async function listDirectory(ref: string, context: Context): Promise<undefined> {
  await withStore(context, "read", async (store, call) => {
    const artifact = await store.get(ref, call);
    if (!isDirectory(artifact))
      throw usageError(`${artifact.ref} is no directory`, "`varve show` tells what it is");
    const directory = await directoryOf(artifact, call);
    if (context.json) {
      for await (const entry of directory.list(undefined, call))
        await context.output.document(entryDocument(entry));
      return;
    }
    await context.output.line(`${artifactLine(artifact)}/`);
    for await (const line of treeLines(directory, call)) await context.output.line(`  ${line}`);
  });
  return undefined;
}

export default defineVerb({
  name: "list",
  optional: ["pattern"],
  options: {
    ...filterOptions,
    tree: {
      kind: "flag",
      describe: "as a tree by the levels of the names; of a ref, the files of a directory",
    },
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
    ["varve list --tree iris/data:2", "the files of a directory; with --json one document each"],
  ],
  async run({ given: { pattern }, options }, context) {
    if (options.tree && pattern !== undefined && isRef(pattern)) {
      if (hasFilters(options))
        throw usageError(
          "filters are for artifacts, not for the files of a directory",
          "leave the filters out",
        );
      return listDirectory(pattern, context);
    }
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
