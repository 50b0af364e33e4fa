import { VarveError } from "../errors.ts";

/** How much of a long text is shown around the place of a problem. */
const SHOWN_BEFORE = 60;
const SHOWN_AFTER = 40;
const GRAMMAR_HINT =
  "for example metadata.accuracy >= 0.9 and tags.stage = 'dev'; the grammar is in engine/where/README.md";

/**
 * An error that points at a place of the text: the line with the place, and a caret below it. `details.position` counts
 * UTF-16 code units from 0.
 */
export function problemAt(text: string, position: number, message: string, hint = GRAMMAR_HINT): VarveError {
  return new VarveError("INVALID_ARGUMENT", `where: ${message}\n${pointer(text, position)}`, {
    hint,
    details: { position },
  });
}

function pointer(text: string, position: number): string {
  const lineStart = Math.max(startOfLine(text, position), position - SHOWN_BEFORE);
  const lineEnd = Math.min(endOfLine(text, position), position + SHOWN_AFTER);
  // What has no width, or a width of its own, would move the text away from the caret.
  const line = text.slice(lineStart, lineEnd).replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, " ");
  return `  ${line}\n  ${" ".repeat(position - lineStart)}^`;
}

function startOfLine(text: string, position: number): number {
  return position === 0 ? 0 : text.lastIndexOf("\n", position - 1) + 1;
}

function endOfLine(text: string, position: number): number {
  const end = text.indexOf("\n", position);
  return end < 0 ? text.length : end;
}
