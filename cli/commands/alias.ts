import { withStore } from "../context.ts";
import { printable } from "../printable.ts";
import { defineVerb } from "../verb.ts";

export default defineVerb({
  name: "alias",
  required: ["ref", "alias"],
  options: { delete: { kind: "flag", describe: "remove the alias; <ref> is the name alone" } },
  about: "An alias points to one version of a name, and may be moved to another.",
  examples: [
    ["varve alias iris/model:3 production", "iris/model@production is now version 3"],
    ["varve alias iris/model production --delete", "remove it"],
  ],
  async run({ given: { ref, alias }, options: { delete: isDelete } }, context) {
    await withStore(context, "change", async (store, call) => {
      if (isDelete) {
        await store.deleteAlias(ref, alias, call);
        if (context.json) return context.output.document({ name: ref, alias, deleted: true });
        return context.output.line(`removed ${printable(`${ref}@${alias}`)}`);
      }
      const { name, version, ref: target } = await store.get(ref, call);
      await store.setAlias(name, alias, version, call);
      if (context.json) return context.output.document({ name, alias, version, ref: target });
      return context.output.line(printable(`${name}@${alias} -> ${target}`));
    });
    return undefined;
  },
});
