import { withStore } from "../context.ts";
import { defineVerb } from "../verb.ts";

export default defineVerb({
  name: "rebuild",
  about: "The index is a cache of the log, and can be made again at any time.",
  examples: [["varve rebuild", "make the index again"]],
  async run(_, context) {
    await withStore(context, "change", (store, call) => store.rebuildIndex(call));
    if (context.json) await context.output.document({ rebuilt: true });
    else context.note("the index was made again from the log");
    return undefined;
  },
});
