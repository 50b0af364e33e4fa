import { stat } from "node:fs/promises";
import type { ArtifactStore, CallOptions, SaveOptions } from "../../engine/main.ts";
import { artifactDocument } from "../artifact-text.ts";
import { type Context, withStore } from "../context.ts";
import { usageError } from "../errors.ts";
import { parseForms } from "../json-forms.ts";
import { backendFrom, backendOptions } from "../mlflow-options.ts";
import { optional } from "../pairs.ts";
import { printable } from "../printable.ts";
import { readText } from "../reading.ts";
import { savedWithFrom, savedWithOptions } from "../saved-with.ts";
import { defineVerb, type OptionValues } from "../verb.ts";

const options = {
  value: { kind: "text", describe: 'the value as JSON, with forms such as {"$bigint":"1"}' },
  "value-file": { kind: "text", describe: "a file with the value as JSON, or - for stdin" },
  ...savedWithOptions,
  "media-type": { kind: "text", describe: "the media type of the file" },
  ignore: { kind: "list", describe: "what to leave out of a directory: *.log, node_modules/, data/**" },
  "check-contents": {
    kind: "flag",
    describe: "read every file of a directory, also where its times are as they were",
  },
  ...backendOptions,
} as const;

type Options = OptionValues<typeof options>;

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** Saves what was named, which is one of a file, stdin and a value. A value is read before the store is opened: a mistake makes no store. */
type Saving = (
  store: ArtifactStore,
  name: string,
  saveOptions: SaveOptions,
) => ReturnType<ArtifactStore["save"]>;

async function savingOf(file: string | undefined, given: Options, context: Context): Promise<Saving> {
  const { value, "value-file": valueFile, "media-type": mediaType } = given;
  if ([file, value, valueFile].filter((each) => each !== undefined).length !== 1) {
    throw usageError("give one of <file>, --value and --value-file");
  }
  const isDirectory = file !== undefined && file !== "-" && (await isFolder(file));
  if ((file === undefined || isDirectory) && mediaType !== undefined) {
    throw usageError("--media-type is for files and stdin");
  }
  if (!isDirectory && (given.ignore.length > 0 || given["check-contents"])) {
    throw usageError("--ignore and --check-contents are for directories");
  }
  if (file === "-") {
    // Read while it is saved: it may be longer than memory.
    return (store, name, saveOptions) => store.save(name, context.io.stdin, saveOptions);
  }
  if (isDirectory) {
    const how = { ignore: given.ignore, checkContents: given["check-contents"] };
    return (store, name, saveOptions) => store.saveDirectory(name, file, { ...saveOptions, ...how });
  }
  if (file !== undefined) return (store, name, saveOptions) => store.saveFile(name, file, saveOptions);
  const parsed =
    value === undefined
      ? parseForms(await readText(valueFile!, context.io), valueFile === "-" ? "stdin" : valueFile!)
      : parseForms(value, "--value");
  return (store, name, saveOptions) => store.save(name, parsed, saveOptions);
}

async function saveOptionsFrom(given: Options, { io }: Context): Promise<SaveOptions> {
  return {
    ...(await backendFrom(given, io)),
    ...savedWithFrom(given),
    ...optional("mediaType", given["media-type"]),
  };
}

export default defineVerb({
  name: "save",
  required: ["name"],
  optional: ["file"],
  options,
  about:
    "Keeps a file's bytes (- for stdin), a directory or a value, and prints the ref of the new version. Makes the store if there is none. " +
    "Options that take several values take all words up to the next option.",
  examples: [
    ["varve save iris/data iris.csv --tag stage=raw", "a file"],
    ["varve save iris/model --value '{\"k\": 3}' --input iris/data:0 --code train.ts", "a value"],
    ["varve save iris/run runs/17 --ignore '*.tmp'", "a directory as one artifact"],
    ["tar c photos | varve save photos -", "a stream of any length"],
    ["varve save iris/clf clf.onnx --backend mlflow --mlflow-alias champion", "a model, kept by MLflow"],
    ["varve get iris/model | varve save iris/copy --value-file -", "the same value again"],
  ],
  async run({ given: { name, file }, options: given }, context) {
    const saveOptions = await saveOptionsFrom(given, context);
    const saving = await savingOf(file, given, context);
    const save = (store: ArtifactStore, call: CallOptions) =>
      saving(store, name, { ...saveOptions, ...call });
    const artifact = await withStore(context, "create", save);
    if (context.json) await context.output.document(artifactDocument(artifact));
    else await context.output.line(printable(artifact.ref));
    return undefined;
  },
});
