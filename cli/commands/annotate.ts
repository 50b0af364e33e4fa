import type { Annotation, Artifact } from "../../engine/main.ts";
import { artifactDocument } from "../artifact-text.ts";
import { withStore } from "../context.ts";
import { CommandError, usageError } from "../errors.ts";
import { metadataFrom, tagsFrom } from "../pairs.ts";
import { printable } from "../printable.ts";
import { defineVerb } from "../verb.ts";

/** Null for each of the keys that is there. */
function removals(keys: string[], present: object): Record<string, null> {
  return Object.fromEntries(keys.filter((key) => Object.hasOwn(present, key)).map((key) => [key, null]));
}

function checkPresent(keys: string[], { ref, tags, metadata }: Artifact): void {
  const missing = keys.find((key) => !Object.hasOwn(tags, key) && !Object.hasOwn(metadata, key));
  if (missing === undefined) return;
  throw new CommandError("NOT_FOUND", `${ref} has no tag and no metadata called ${JSON.stringify(missing)}`);
}

export default defineVerb({
  name: "annotate",
  required: ["ref"],
  options: {
    tag: { kind: "list", describe: "tags to set, as key=value" },
    meta: { kind: "list", describe: "metadata to set, as key=JSON; null removes the key" },
    delete: { kind: "list", describe: "keys to remove from the tags and the metadata" },
  },
  about: "Other tags and keys stay as they are.",
  examples: [
    ["varve annotate iris/model:3 --tag stage=live --meta accuracy=0.97", "set"],
    ["varve annotate iris/model:3 --delete stage", "remove"],
  ],
  async run({ given: { ref }, options }, context) {
    const tags = tagsFrom(options.tag);
    const metadata = metadataFrom(options.meta);
    const keys = options.delete;
    const isSet = (key: string) => Object.hasOwn(tags, key) || Object.hasOwn(metadata, key);
    if (Object.keys(tags).length + Object.keys(metadata).length + keys.length === 0) {
      throw usageError("give at least one of --tag, --meta and --delete");
    }
    if (keys.some(isSet)) throw usageError("a key can't be set and removed at once");
    const artifact = await withStore(context, "change", async (store, call) => {
      const before = await store.get(ref, call);
      checkPresent(keys, before);
      const annotation: Annotation = {
        tags: { ...removals(keys, before.tags), ...tags },
        metadata: { ...removals(keys, before.metadata), ...metadata },
      };
      return store.annotate(before, { ...annotation, ...call });
    });
    if (context.json) await context.output.document(artifactDocument(artifact));
    else await context.output.line(printable(artifact.ref));
    return undefined;
  },
});
