/** The beginning of a value, for people. */

import type { Artifact, CallOptions } from "../engine/main.ts";
import { sizeText } from "./artifact-text.ts";
import { directoryOf, isDirectory, treeLines } from "./directory.ts";
import { toForms } from "./json-forms.ts";
import { isPrintable, jsonText } from "./printable.ts";
import { isStructured } from "./structured.ts";

const LINES_MAX = 20;
const LINE_LENGTH_MAX = 200;
const BYTES_MAX = 4 * 1024;
const HEX_BYTES_MAX = 64;
const HEX_BYTES_PER_LINE = 16;
/** A structured value has to be read as a whole. */
const STRUCTURED_BYTES_MAX = 8 * 1024 ** 2;

/** At most twenty lines, safe for a terminal. */
export async function preview(artifact: Artifact, call: CallOptions): Promise<string> {
  if (isDirectory(artifact)) return previewOfDirectory(artifact, call);
  // MLflow gives the whole of it or nothing.
  if (artifact.backend === "mlflow") return "(a model in MLflow: `varve get` writes it)";
  if (!isStructured(artifact)) return previewOfBytes(artifact, call);
  if (artifact.size > STRUCTURED_BYTES_MAX)
    return `(a value of ${sizeText(artifact.size)}: see \`varve get\`)`;
  const value = await artifact.value(call);
  return value instanceof Uint8Array
    ? previewOfBytes(artifact, call)
    : firstLines(jsonText(toForms(value), 2));
}

async function previewOfDirectory(artifact: Artifact, call: CallOptions): Promise<string> {
  const lines: string[] = [];
  for await (const line of treeLines(await directoryOf(artifact, call), call)) {
    if (lines.length === LINES_MAX) return [...lines, "…"].join("\n");
    lines.push(line);
  }
  return lines.length > 0 ? lines.join("\n") : "(empty)";
}

async function previewOfBytes(artifact: Artifact, call: CallOptions): Promise<string> {
  const bytes = await artifact.bytes({ end: Math.min(BYTES_MAX, artifact.size) }, call);
  if (bytes.length === 0) return "(empty)";
  // With `stream` a character that the cut went through is left out.
  const text = new TextDecoder().decode(bytes, { stream: artifact.size > bytes.length });
  const isCut = artifact.size > bytes.length;
  return isPrintable(text) && !text.includes("\ufffd")
    ? firstLines(text, isCut)
    : hexLines(bytes, artifact.size);
}

function firstLines(text: string, isCut = false): string {
  const lines = text.replace(/\n$/, "").split("\n");
  const shown = lines.slice(0, LINES_MAX).map((line) => {
    return line.length > LINE_LENGTH_MAX ? `${line.slice(0, LINE_LENGTH_MAX)}…` : line;
  });
  if (isCut || lines.length > LINES_MAX) shown.push("…");
  return shown.join("\n");
}

function hexLines(bytes: Uint8Array, size: number): string {
  const hex = Buffer.from(bytes.subarray(0, HEX_BYTES_MAX)).toString("hex");
  const lines = hex.match(new RegExp(`.{1,${HEX_BYTES_PER_LINE * 2}}`, "g")) ?? [];
  const spaced = lines.map((line) => line.replace(/..(?!$)/g, "$& "));
  return [...spaced, ...(size > HEX_BYTES_MAX ? ["…"] : [])].join("\n");
}
