/** One side of a difference: a short value as it is, a long one by its type, size and digest. */

import { createHash } from "node:crypto";
import { toForms } from "../json-forms.ts";
import { jsonText } from "../printable.ts";

const JSON_LENGTH_MAX = 200;

export type Side =
  | { /** As JSON, with the forms of the command line. */ readonly value: unknown }
  | {
      readonly type: string;
      /** Bytes of typed arrays and buffers, characters of texts, else items. */
      readonly size: number;
      readonly digest: string;
    };

/** Values that are told as a whole: by their digest, or as they are when that is short. */
export function isWhole(value: unknown): boolean {
  return value instanceof Map || value instanceof Set || isBuffer(value);
}

function isBuffer(value: unknown): value is ArrayBufferView | ArrayBuffer {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
}

export function sideOf(value: unknown): Side {
  if (isBuffer(value)) return { type: typeName(value), size: value.byteLength, digest: digestOf(value) };
  if (typeof value === "string" && value.length > JSON_LENGTH_MAX) {
    return { type: "text", size: value.length, digest: digestOf(value) };
  }
  const forms = toForms(value);
  const json = jsonText(forms);
  if (json.length <= JSON_LENGTH_MAX && !isWhole(value)) return { value: forms };
  return { type: typeName(value), size: sizeOf(value), digest: digestOf(json) };
}

/** Of bytes their own; of a text that of its UTF-8. */
function digestOf(content: string | ArrayBufferView | ArrayBuffer): string {
  const bytes = typeof content === "string" ? content : bytesOf(content);
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function bytesOf(content: ArrayBufferView | ArrayBuffer): Uint8Array {
  if (content instanceof ArrayBuffer) return new Uint8Array(content);
  return new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
}

function typeName(value: unknown): string {
  return typeof value === "string"
    ? "text"
    : Object.prototype.toString.call(value).slice("[object ".length, -1);
}

function sizeOf(value: unknown): number {
  if (value instanceof Map || value instanceof Set) return value.size;
  if (Array.isArray(value)) return value.length;
  return typeof value === "object" && value !== null ? Object.keys(value).length : String(value).length;
}
