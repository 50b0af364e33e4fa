/** Numbers in JSON text that a JavaScript number can't hold: reading them would change them without a word. */

import { usageError } from "./errors.ts";

const NUMBER = /-?\d+(\.\d+)?([eE][+-]?\d+)?/y;

/** Text of valid JSON. Throws a usage error that names the first number that would be changed. */
export function checkNumbers(text: string, name: string): void {
  for (let index = 0; index < text.length; index++) {
    if (text[index] === '"') index = endOfString(text, index);
    NUMBER.lastIndex = index;
    const number = startsNumber(text.charCodeAt(index)) ? NUMBER.exec(text)?.[0] : undefined;
    if (number === undefined) continue;
    if (isChanged(number)) throw changedNumber(number, name);
    index += number.length - 1;
  }
}

function startsNumber(code: number): boolean {
  return code === 0x2d || (code >= 0x30 && code <= 0x39);
}

/** The index of the closing quote. */
function endOfString(text: string, start: number): number {
  let index = start + 1;
  while (text[index] !== '"') index += text[index] === "\\" ? 2 : 1;
  return index;
}

/** Digits after the point are rounded everywhere, so only whole numbers and overflow count. */
function isChanged(number: string): boolean {
  const value = Number(number);
  if (!Number.isFinite(value)) return true;
  if (number.length < 16 || /[.eE]/.test(number) || String(value) === number) return false;
  return BigInt(number) !== BigInt(value);
}

function changedNumber(number: string, name: string) {
  const shown = number.length > 40 ? `${number.slice(0, 40)}…` : number;
  return usageError(
    `${name}: the number ${shown} does not fit a JavaScript number`,
    `write {"$bigint":"${shown}"} to keep it exactly, or a text`,
  );
}
