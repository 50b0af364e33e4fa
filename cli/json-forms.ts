/**
 * Values as JSON and back, with forms for what JSON lacks: an object whose only key begins with `$`. Keys of the value that begin
 * with `$` get one `$` more. `README.md` has the table. Reading what was written gives an equal value with the same digest.
 */

import { types } from "node:util";
import { usageError } from "./errors.ts";
import { checkNumbers } from "./json-numbers.ts";

const NUMBERS = new Map([
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
  ["-0", -0],
]);
const BUFFER_CLASSES = new Set([
  ...[
    "Int8Array",
    "Uint8Array",
    "Uint8ClampedArray",
    "Int16Array",
    "Uint16Array",
    "Int32Array",
    "Uint32Array",
  ],
  ...["BigInt64Array", "BigUint64Array", "Float16Array", "Float32Array", "Float64Array"],
  ...["ArrayBuffer", "DataView"],
]);
const DATE = /^([+-]\d{6}|\d{4})-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/;

/** What `JSON.stringify` turns into the JSON of `value`. */
export function toForms(value: unknown): unknown {
  if (typeof value === "number")
    return Number.isFinite(value) && !Object.is(value, -0) ? value : numberForm(value);
  if (typeof value === "bigint") return { $bigint: String(value) };
  if (value === undefined) return { $undefined: true };
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(toForms);
  if (value instanceof Date) return { $date: Number.isNaN(value.getTime()) ? null : value.toISOString() };
  if (value instanceof Map) return { $map: [...value].map(([key, item]) => [toForms(key), toForms(item)]) };
  if (value instanceof Set) return { $set: [...value].map(toForms) };
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return bufferForm(value);
  const properties = propertiesToForms(value);
  return Object.getPrototypeOf(value) === null ? { $bare: properties } : properties;
}

function numberForm(value: number): unknown {
  return { $number: Object.is(value, -0) ? "-0" : String(value) };
}

function bufferForm(value: ArrayBufferView | ArrayBuffer): unknown {
  const bytes = ArrayBuffer.isView(value)
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    : Buffer.from(value);
  const base64 = bytes.toString("base64");
  if (types.isUint8Array(value)) return { $bytes: base64 };
  return { $typed: [Object.prototype.toString.call(value).slice("[object ".length, -1), base64] };
}

function propertiesToForms(value: object): object {
  const entries = Object.entries(value).map(([key, item]) => [
    key.startsWith("$") ? `$${key}` : key,
    toForms(item),
  ]);
  // fromEntries defines properties, so "__proto__" is a key like others.
  return Object.fromEntries(entries);
}

/** The value that JSON with forms stands for. `name` is what a usage error calls it. */
export function parseForms(text: string, name: string): unknown {
  const json = parseJson(text, name);
  try {
    return fromForms(json, name);
  } catch (error) {
    if (error instanceof RangeError) throw usageError(`${name} is nested too deeply`);
    throw error;
  }
}

/** Plain JSON, where no number may be changed by reading it. */
export function parseJson(text: string, name: string): unknown {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw usageError(
      `${name} is not JSON: ${(error as Error).message}`,
      'a text is written in double quotes: "…"',
    );
  }
  checkNumbers(text, name);
  return json;
}

function fromForms(json: unknown, path: string): unknown {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map((item, index) => fromForms(item, `${path}[${index}]`));
  const keys = Object.keys(json);
  const formKey = keys.find((key) => key.startsWith("$") && !key.startsWith("$$"));
  if (formKey === undefined) return propertiesFromForms(json, path);
  const read = Object.hasOwn(forms, formKey) ? forms[formKey] : undefined;
  if (read !== undefined && keys.length === 1) return read((json as Record<string, unknown>)[formKey], path);
  throw usageError(
    `${path} has the key ${JSON.stringify(formKey)}, which is no form of a value`,
    `a key that begins with $ is written as "$${formKey}"; to keep a JSON file as it is, save it as a file`,
  );
}

function propertiesFromForms(json: unknown, path: string): object {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw malformed(path, "$bare", "an object");
  const entries = Object.entries(json).map(([key, item]) => {
    if (key.startsWith("$") && !key.startsWith("$$"))
      throw malformed(path, "$bare", "an object with $ doubled in its keys");
    return [key.startsWith("$$") ? key.slice(1) : key, fromForms(item, `${path}.${key}`)];
  });
  return Object.fromEntries(entries);
}

function malformed(path: string, form: string, expected: string) {
  return usageError(`${path}: {${JSON.stringify(form)}: …} needs ${expected}`);
}

function readText(content: unknown, path: string, form: string, pattern: RegExp, expected: string): string {
  if (typeof content === "string" && pattern.test(content)) return content;
  throw malformed(path, form, expected);
}

function readItems(content: unknown, path: string, form: string): unknown[] {
  if (!Array.isArray(content)) throw malformed(path, form, "an array");
  return content.map((item, index) => fromForms(item, `${path}[${index}]`));
}

function readEntry(entry: unknown, path: string): [unknown, unknown] {
  if (Array.isArray(entry) && entry.length === 2) return entry as [unknown, unknown];
  throw malformed(path, "$map", "an array of [key, value]");
}

function readDate(content: unknown, path: string): Date {
  if (content === null) return new Date(Number.NaN);
  const date = new Date(
    readText(content, path, "$date", DATE, "an ISO 8601 time, such as 2026-11-24T10:00:00.123Z"),
  );
  if (Number.isNaN(date.getTime())) throw malformed(path, "$date", "a date that there is");
  return date;
}

function readBytes(content: unknown, path: string, form: string): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from(Buffer.from(String(content), "base64"));
  // Buffer.from skips what is no base64.
  if (Buffer.from(bytes.buffer).toString("base64") === content) return bytes;
  throw malformed(path, form, "base64 with its padding");
}

function readTyped(content: unknown, path: string): unknown {
  const [className, base64, ...others] = Array.isArray(content) ? content : [];
  if (!BUFFER_CLASSES.has(className) || others.length > 0) {
    throw malformed(path, "$typed", `[class, base64], the class one of ${[...BUFFER_CLASSES].join(", ")}`);
  }
  const { buffer } = readBytes(base64, path, "$typed");
  if (className === "ArrayBuffer") return buffer;
  const classes = globalThis as unknown as Record<string, undefined | (new (buffer: ArrayBuffer) => unknown)>;
  const Class = classes[className];
  if (Class === undefined) throw usageError(`${path}: this version of Node.js has no ${className}`);
  try {
    return new Class(buffer);
  } catch {
    throw malformed(path, "$typed", `a whole number of items of a ${className}`);
  }
}

const forms: Readonly<Record<string, (content: unknown, path: string) => unknown>> = {
  $bare: (content, path) => Object.setPrototypeOf(propertiesFromForms(content, path), null),
  $bigint: (content, path) => BigInt(readText(content, path, "$bigint", /^-?\d+$/, "digits in quotes")),
  $bytes: (content, path) => readBytes(content, path, "$bytes"),
  $date: readDate,
  $map: (content, path) => new Map(readItems(content, path, "$map").map((entry) => readEntry(entry, path))),
  $number: (content, path) => {
    if (typeof content === "string" && NUMBERS.has(content)) return NUMBERS.get(content);
    throw malformed(path, "$number", `one of ${[...NUMBERS.keys()].join(", ")}`);
  },
  $set: (content, path) => new Set(readItems(content, path, "$set")),
  $typed: readTyped,
  $undefined: (content, path) => {
    if (content === true) return undefined;
    throw malformed(path, "$undefined", "true");
  },
};
