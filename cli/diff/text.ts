/** A difference as lines for people: `-` for the first artifact, `+` for the second. */

import { sizeText } from "../artifact-text.ts";
import { jsonText, printable, printableLines } from "../printable.ts";
import type { Change, Changes } from "./changes.ts";
import type { CodeDifference, Difference } from "./document.ts";
import type { LineDifference } from "./lines.ts";
import type { Side } from "./side.ts";
import type { ValueDifference } from "./value.ts";

const DIGEST_LENGTH = "sha256:".length + 12;
const BYTE_TYPES = /Array$|^ArrayBuffer$|^DataView$|file$/;

/** One line for each side of each change; lines of texts under a line that tells where they are. */
export function* differenceLines(difference: Difference): Generator<string> {
  const { mediaType, value, code = [], inputs, tags, metadata, environment } = difference;
  if (mediaType) yield* sides("mediaType", mediaType.from, mediaType.to);
  if (value) yield* valueLines(value);
  for (const source of code) yield* codeLines(source);
  for (const ref of inputs?.removed ?? []) yield `- inputs: ${printable(ref)}`;
  for (const ref of inputs?.added ?? []) yield `+ inputs: ${printable(ref)}`;
  for (const changes of [tags, metadata, environment]) if (changes) yield* changeLines(changes);
}

function* sides(path: string, from: string | undefined, to: string | undefined): Generator<string> {
  if (from !== undefined) yield `- ${printable(`${path}: ${from}`)}`;
  if (to !== undefined) yield `+ ${printable(`${path}: ${to}`)}`;
}

function* valueLines(value: ValueDifference): Generator<string> {
  if (value.kind === "structure" || value.kind === "directory") yield* changeLines(value);
  else if (value.kind === "text") yield* textLines("value", value);
  else {
    const [from, to] = [value.from, value.to].map(
      ({ size, digest }) => `${sizeText(size)}, ${digest.slice(0, DIGEST_LENGTH)}…`,
    );
    yield* sides("value", from, to);
  }
}

function* codeLines(source: CodeDifference): Generator<string> {
  const { from, to } = source;
  const names = from === to ? from! : `${from ?? "nothing"} -> ${to ?? "nothing"}`;
  yield* textLines(`code ${names}`, source);
}

function* textLines(title: string, { hunks, removed, added, complete }: LineDifference): Generator<string> {
  yield `@@ ${printable(title)}: -${removed} +${added} lines @@`;
  for (const { from, to, lines } of hunks) {
    yield `@@ line ${from === to ? from : `${from} -> ${to}`} @@`;
    for (const line of lines) yield printableLines(line);
  }
  if (!complete) yield "… (more lines differ)";
}

function* changeLines({ count, changes }: Changes): Generator<string> {
  for (const { path, from, to } of changes as Change[]) {
    yield* sides(path, from && sideText(from), to && sideText(to));
  }
  if (count > changes.length) yield `… (${count - changes.length} more differences)`;
}

function sideText(side: Side): string {
  if ("value" in side) return jsonText(side.value);
  const { type, size, digest } = side;
  const isText = type === "text";
  const isBytes = type !== "Array" && BYTE_TYPES.test(type);
  const amount = isBytes
    ? sizeText(size)
    : `${size} ${isText ? "characters" : size === 1 ? "item" : "items"}`;
  return `${type} of ${amount}, ${digest.slice(0, DIGEST_LENGTH)}…`;
}
