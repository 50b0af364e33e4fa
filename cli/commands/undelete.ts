import { artifactDocument } from "../artifact-text.ts";
import { withStore } from "../context.ts";
import { printable } from "../printable.ts";
import { defineVerb } from "../verb.ts";

export default defineVerb({
  name: "undelete",
  required: ["ref"],
  about:
    "Works until the bytes of the version are compacted away. Aliases come back where they are still free.",
  examples: [
    ["varve list --deleted", "what can be brought back"],
    ["varve undelete iris/model:3", "bring it back"],
  ],
  async run({ given: { ref } }, context) {
    const artifact = await withStore(context, "change", (store, call) => store.undelete(ref, call));
    if (context.json) await context.output.document(artifactDocument(artifact));
    else await context.output.line(printable(artifact.ref));
    return undefined;
  },
});
