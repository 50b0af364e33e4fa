import type { Artifact, CallOptions, Directory } from "../../engine/main.ts";
import { type Context, withStore } from "../context.ts";
import { directoryOf, isDirectory } from "../directory.ts";
import { usageError } from "../errors.ts";
import { toForms } from "../json-forms.ts";
import { isPrintable, jsonText } from "../printable.ts";
import { isStructured } from "../structured.ts";
import { defineVerb } from "../verb.ts";
import { targetAt, writeChunks } from "../writing.ts";

/** An artifact, or a file of one. */
type Bytes = Pick<Artifact, "ref" | "size" | "bytes" | "stream">;

/** More would scroll by for minutes. */
const TERMINAL_BYTES_MAX = 16 * 1024 * 1024;

/** Longer ones are written piece by piece. */
const BYTES_AT_ONCE = 1024 * 1024;

/** Text as it is; other bytes could drive the terminal. */
async function bytesToTerminal(artifact: Bytes, context: Context, call: CallOptions): Promise<void> {
  if (artifact.size > TERMINAL_BYTES_MAX) throw notForTerminals(artifact, `has ${artifact.size} bytes`);
  const bytes = await artifact.bytes(undefined, call);
  const text = Buffer.from(bytes).toString("utf8");
  if (!Buffer.from(text).equals(bytes) || !isPrintable(text)) {
    throw notForTerminals(artifact, "is not text that a terminal can show");
  }
  await context.output.text(text);
}

function notForTerminals({ ref }: Bytes, why: string): Error {
  return usageError(`${ref} ${why}`, "write it with -o PATH, or -o - to write it here all the same");
}

async function writeBytes(
  artifact: Bytes,
  path: string | undefined,
  context: Context,
  call: CallOptions,
): Promise<void> {
  if (path === undefined && context.output.isTerminal) return bytesToTerminal(artifact, context, call);
  if (path === undefined || path === "-") {
    // A stream takes some milliseconds to begin and end.
    if (artifact.size <= BYTES_AT_ONCE) return context.output.bytes(await artifact.bytes(undefined, call));
    for await (const chunk of artifact.stream(undefined, call)) await context.output.bytes(chunk);
    return;
  }
  await writeChunks(await targetAt(path), artifact.stream(undefined, call), context.io.signal);
}

async function writeDirectory(
  artifact: Artifact,
  { path, file }: { path: string | undefined; file: string | undefined },
  context: Context,
  call: CallOptions,
): Promise<void> {
  if (file !== undefined) {
    const directory = await directoryOf(artifact, call);
    if (context.json) return writeJson(await directory.read(file, undefined, call), path, context);
    return writeBytes(await fileOf(directory, file, artifact, call), path, context, call);
  }
  if (path === undefined || path === "-") {
    throw usageError(
      `${artifact.ref} is a directory`,
      "write it with -o PATH, or one file of it with --file; `varve list --tree` shows them",
    );
  }
  await artifact.writeTo(path, call);
}

async function fileOf(
  directory: Directory,
  path: string,
  { ref }: Artifact,
  call: CallOptions,
): Promise<Bytes> {
  for await (const { kind, size, path: found } of directory.list(path, call)) {
    // Of a folder the first is what lies in it.
    if (kind !== "file" || found !== path.replace(/\/$/, "")) break;
    return {
      ref: `${ref} ${path}`,
      size,
      bytes: (range, options) => directory.read(path, range, options),
      stream: (range, options) => directory.stream(path, range, options),
    };
  }
  throw usageError(`${path} is no file of ${ref}`, `\`varve list --tree ${ref}\` shows what is there`);
}

async function writeJson(value: unknown, path: string | undefined, context: Context): Promise<void> {
  const text = `${jsonText(toForms(value), context.json ? undefined : 2)}\n`;
  if (path === undefined || path === "-") await context.output.text(text);
  else await writeChunks(await targetAt(path), [text], context.io.signal);
}

export default defineVerb({
  name: "get",
  required: ["ref"],
  options: {
    output: { kind: "text", letter: "o", describe: "the file to write, or - for stdout" },
    raw: { kind: "flag", describe: "the stored bytes of any value, as they are" },
    file: { kind: "text", describe: "one file of a directory" },
  },
  about:
    "Byte values and files are written exactly; other values as JSON, with forms for what JSON lacks. " +
    'With --json byte values are JSON too: {"$bytes": base64}.',
  examples: [
    ["varve get iris/model@production", "the value as JSON"],
    ["varve get iris/data:0 -o iris.csv", "a file"],
    ["varve get iris/run -o run-17", "a directory, into a folder that is new or empty"],
    ["varve get iris/run --file logs/train.log", "one file of a directory"],
  ],
  async run({ given: { ref }, options: { output: path, raw, file } }, context) {
    if (raw && context.json) throw usageError("--raw and --json exclude each other");
    await withStore(context, "read", async (store, call) => {
      const artifact = await store.get(ref, call);
      if (isDirectory(artifact)) return writeDirectory(artifact, { path, file }, context, call);
      if (file !== undefined) throw usageError(`${artifact.ref} is no directory`, "leave out --file");
      if (raw) return writeBytes(artifact, path, context, call);
      if (!isStructured(artifact) && !context.json) return writeBytes(artifact, path, context, call);
      const value = await artifact.value(call);
      // Bytes that were saved under the media type of structured values.
      if (value instanceof Uint8Array && !context.json) return writeBytes(artifact, path, context, call);
      return writeJson(value, path, context);
    });
    return undefined;
  },
});
