import type { CodeSource } from "../../engine/main.ts";
import { type Context, withStore } from "../context.ts";
import { CommandError } from "../errors.ts";
import { printable, printableLines } from "../printable.ts";
import { defineVerb } from "../verb.ts";

/** One source exactly as it was; several under a line with their file each. On a terminal nothing in it may drive the terminal. */
async function writeSources(sources: readonly CodeSource[], { output }: Context): Promise<void> {
  for (const { file, text } of sources) {
    if (sources.length > 1) await output.line(`==> ${printable(file ?? "inline")} <==`);
    await output.text(output.isTerminal ? printableLines(text) : text);
    if ((output.isTerminal || sources.length > 1) && !text.endsWith("\n")) await output.text("\n");
  }
}

export default defineVerb({
  name: "code",
  required: ["ref"],
  about: "The sources as they were when the version was saved.",
  examples: [["varve code iris/model:3", "the code that made this version"]],
  async run({ given: { ref } }, context) {
    const artifact = await withStore(context, "read", (store, call) => store.get(ref, call));
    if (artifact.code === undefined) {
      throw new CommandError("NOT_FOUND", `${artifact.ref} was saved without code`, {
        hint: "`varve save --code FILE` keeps it",
      });
    }
    if (context.json) await context.output.document({ ref: artifact.ref, sources: artifact.code.sources });
    else await writeSources(artifact.code.sources, context);
    return undefined;
  },
});
