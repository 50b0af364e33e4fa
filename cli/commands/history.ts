import type { Artifact } from "../../engine/main.ts";
import { artifactDocument, artifactLine } from "../artifact-text.ts";
import { withStore } from "../context.ts";
import { CommandError } from "../errors.ts";
import { defineVerb } from "../verb.ts";

function lineOf(artifact: Artifact): string {
  return [artifactLine(artifact), ...artifact.aliases.map((alias) => `@${alias}`)].join(" ");
}

export default defineVerb({
  name: "history",
  required: ["name"],
  about: "The versions that are not deleted, with their aliases. Times are UTC.",
  examples: [["varve history iris/model", "all versions of a name"]],
  async run({ given: { name } }, context) {
    let count = 0;
    await withStore(context, "read", async (store, call) => {
      for await (const artifact of store.versions(name, call)) {
        count++;
        if (context.json) await context.output.document(artifactDocument(artifact));
        else await context.output.line(lineOf(artifact));
      }
    });
    if (count === 0) throw new CommandError("NOT_FOUND", `there is no version of ${name}`);
    return undefined;
  },
});
