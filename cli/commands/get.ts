import type { Artifact, CallOptions } from "../../engine/main.ts";
import { type Context, withStore } from "../context.ts";
import { usageError } from "../errors.ts";
import { toForms } from "../json-forms.ts";
import { isPrintable, jsonText } from "../printable.ts";
import { isStructured } from "../structured.ts";
import { defineVerb } from "../verb.ts";
import { targetAt, writeStream, writeText } from "../writing.ts";

/** Text as it is; other bytes could drive the terminal. */
async function bytesToTerminal(artifact: Artifact, context: Context, call: CallOptions): Promise<void> {
  const bytes = await artifact.bytes(undefined, call);
  const text = Buffer.from(bytes).toString("utf8");
  if (!Buffer.from(text).equals(bytes) || !isPrintable(text)) {
    throw usageError(
      `${artifact.ref} is not text that a terminal can show`,
      "write it with -o PATH, or -o - to write it here all the same",
    );
  }
  await context.output.text(text);
}

async function writeBytes(
  artifact: Artifact,
  path: string | undefined,
  context: Context,
  call: CallOptions,
): Promise<void> {
  if (path === undefined && context.output.isTerminal) return bytesToTerminal(artifact, context, call);
  if (path === undefined || path === "-") {
    for await (const chunk of artifact.stream(undefined, call)) await context.output.bytes(chunk);
    return;
  }
  const target = await targetAt(path);
  if (target.way === "replace") await artifact.writeTo(target.path, call);
  else await writeStream(target, artifact.stream(undefined, call), context.io.signal);
}

async function writeJson(value: unknown, path: string | undefined, context: Context): Promise<void> {
  const text = `${jsonText(toForms(value), context.json ? undefined : 2)}\n`;
  if (path === undefined || path === "-") await context.output.text(text);
  else await writeText(await targetAt(path), text, context.io.signal);
}

export default defineVerb({
  name: "get",
  required: ["ref"],
  options: {
    output: { kind: "text", letter: "o", describe: "the file to write, or - for stdout" },
    raw: { kind: "flag", describe: "the stored bytes of any value, as they are" },
  },
  about:
    "Byte values and files are written exactly; other values as JSON, with forms for what JSON lacks. " +
    'With --json byte values are JSON too: {"$bytes": base64}.',
  examples: [
    ["varve get iris/model@production", "the value as JSON"],
    ["varve get iris/data:0 -o iris.csv", "a file"],
  ],
  async run({ given: { ref }, options: { output: path, raw } }, context) {
    if (raw && context.json) throw usageError("--raw and --json exclude each other");
    await withStore(context, "read", async (store, call) => {
      const artifact = await store.get(ref, call);
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
