/** Text from a store as it may be shown: nothing in a name, a tag or a value may drive the terminal or turn text round. */

const CONTROL = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;
const CONTROL_BUT_LINES = /(?!\n|\t|\r\n)[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;
/** What `JSON.stringify` leaves as it is although a terminal acts on it. */
const CONTROL_IN_JSON = /[\u007f-\u009f\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** One line: control characters, line breaks too, as `\u001b`. */
export function printable(text: string): string {
  return text.replace(CONTROL, escaped);
}

/** Several lines: line breaks and tabs stay. */
export function printableLines(text: string): string {
  return text.replace(CONTROL_BUT_LINES, escaped);
}

/** JSON without any character that a terminal acts on; the same document to a parser. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(CONTROL_IN_JSON, escaped);
}

/** Whether text can go to a terminal exactly as it is. */
export function isPrintable(text: string): boolean {
  return printableLines(text) === text;
}
