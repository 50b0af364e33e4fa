import { artifactDocument } from "../artifact-text.ts";
import { withStore } from "../context.ts";
import { usageError } from "../errors.ts";
import { printable } from "../printable.ts";
import { savedWithFrom, savedWithOptions } from "../saved-with.ts";
import { defineVerb } from "../verb.ts";

/** `models:/clf/3`, `models:/clf@champion`. Not `models:/m-…`, which names a model that may not be registered. */
const REGISTERED = /^models:\/+([^/@]+)(?:\/[^/]+|@[^/]+)$/;

/** The artifact is called as the registered model. */
function nameIn(uri: string): string {
  const [, name] = REGISTERED.exec(uri) ?? [];
  if (name !== undefined) return name;
  throw usageError(
    `${uri} names no registered model that the artifact could be called as`,
    "add a name: `varve adopt <uri> <name>`",
  );
}

export default defineVerb({
  name: "adopt",
  required: ["uri"],
  optional: ["name"],
  options: savedWithOptions,
  about:
    "Takes a model that others have logged in MLflow as a new version of an artifact: it is read once for its digest, and stays where it is. " +
    "The URI is one of MLflow's own: models:/name/3, models:/name@alias, models:/m-<id>, runs:/<run>/<path>. The name is that of the registered model where none is given.",
  examples: [
    ["varve adopt models:/clf/3", "as the artifact clf"],
    ["varve adopt models:/clf@champion iris/clf --tag stage=production", "under another name"],
  ],
  async run({ given: { uri, name = nameIn(uri) }, options }, context) {
    const how = savedWithFrom(options);
    const artifact = await withStore(context, "create", (store, call) =>
      store.adoptMlflow(name, uri, { ...how, ...call }),
    );
    if (context.json) await context.output.document(artifactDocument(artifact));
    else await context.output.line(printable(artifact.ref));
    return undefined;
  },
});
