import { withStore } from "../context.ts";
import { printable } from "../printable.ts";
import { defineVerb } from "../verb.ts";

export default defineVerb({
  name: "alias",
  required: ["ref", "alias"],
  options: {
    delete: { kind: "flag", describe: "remove the alias; <ref> is the name alone" },
    mlflow: { kind: "flag", describe: "the same with the alias of the registered model in MLflow" },
  },
  about:
    "An alias points to one version of a name, and may be moved to another. MLflow has aliases of its own, which stay as they are " +
    "without --mlflow.",
  examples: [
    ["varve alias iris/model:3 production", "iris/model@production is now version 3"],
    ["varve alias iris/model production --delete", "remove it"],
    ["varve alias iris/clf:3 champion --mlflow", "also for who loads models:/iris-clf@champion"],
  ],
  async run({ given: { ref, alias }, options: { delete: isDelete, mlflow } }, context) {
    await withStore(context, "change", async (store, call) => {
      const how = { mlflow, ...call };
      if (isDelete) {
        await store.deleteAlias(ref, alias, how);
        if (context.json) return context.output.document({ name: ref, alias, deleted: true });
        return context.output.line(`removed ${printable(`${ref}@${alias}`)}`);
      }
      const { name, version, ref: target } = await store.get(ref, call);
      await store.setAlias(name, alias, version, how);
      if (context.json) return context.output.document({ name, alias, version, ref: target });
      return context.output.line(printable(`${name}@${alias} -> ${target}`));
    });
    return undefined;
  },
});
