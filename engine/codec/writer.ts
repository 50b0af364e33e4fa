/** Values to CBOR: one walk checks that a value can be kept and writes it. */
import { types } from "node:util";
import { hasOnlyItems, type Kind, kindOf, sizeOf } from "./kinds.ts";
import {
  writeArrayBuffer,
  writeBigInt,
  writeDataView,
  writeDate,
  writeNumber,
  writeText,
  writeTypedArray,
} from "./leaves.ts";
import { Output } from "./output.ts";
import * as profile from "./profile.ts";
import { pathOf, refusal, refusalOfObject, type Step } from "./refusal.ts";

const { isProxy } = types;
const { getOwnPropertyDescriptor, getOwnPropertySymbols, getPrototypeOf, hasOwn, keys } = Object;
const lookUpGetter = (Object.prototype as unknown as { __lookupGetter__(key: number): unknown })
  .__lookupGetter__;
const mapEntries = Map.prototype.entries;
const setValues = Set.prototype.values;

/** Bytes of the tag that a document gets when it has something that plain CBOR data has not. */
const EXTENDED_TAG_BYTES = 3;
const LOOP_CHECK_DEPTH_MIN = 16;

const SIMPLE_FALSE = 0xf4;
const SIMPLE_TRUE = 0xf5;
const SIMPLE_NULL = 0xf6;
const SIMPLE_UNDEFINED = 0xf7;

const output = new Output();
/** The way from the root to what is being written: `steps[d]` leads out of `containers[d]`, up to `depth`. */
const steps: Step[] = [];
const containers: (object | undefined)[] = [];
let depth = 0;
let deepest = 0;
/** Whether the document has a tag, or a text that not every decoder gives back as it is. */
let extended = false;
let rootName = "value";

/** The CBOR of `value`: a view of memory that is never written again. No code of the value runs. */
export function writeDocument(value: unknown, path: string): Uint8Array {
  depth = 0;
  deepest = 0;
  extended = false;
  rootName = path;
  output.begin();
  let written = false;
  try {
    output.skip(EXTENDED_TAG_BYTES);
    writeValue(value);
    written = true;
  } finally {
    if (!written) output.abandon();
    // Nothing of the user's value is kept alive by this module.
    for (let index = 0; index < deepest; index++) containers[index] = undefined;
  }
  if (!extended) return output.end(EXTENDED_TAG_BYTES);
  output.tagAtStart(profile.TAG_EXTENDED);
  return output.end(0);
}

function here(): string {
  return pathOf(rootName, steps.slice(0, depth));
}

function writeValue(value: unknown): void {
  if (typeof value === "string") {
    if (!writeText(output, value)) extended = true;
  } else if (typeof value === "number") writeNumber(output, value);
  else if (typeof value === "object" && value !== null) writeObject(value);
  else if (typeof value === "bigint") {
    if (!writeBigInt(output, value)) extended = true;
  } else writeSimple(value);
}

function writeSimple(value: unknown): void {
  if (value === null) output.byte(SIMPLE_NULL);
  else if (value === undefined) output.byte(SIMPLE_UNDEFINED);
  else if (typeof value === "boolean") output.byte(value ? SIMPLE_TRUE : SIMPLE_FALSE);
  else throw refusal(here(), `is a ${typeof value}`);
}

function writeObject(value: object): void {
  if (isProxy(value)) throw refusalOfObject(here(), value);
  const prototype: unknown = getPrototypeOf(value);
  if (Array.isArray(value)) {
    if (prototype !== Array.prototype && kindOf(value) === undefined) throw refusalOfObject(here(), value);
    checkSymbols(value);
    writeItems(value);
  } else if (prototype === Object.prototype) {
    checkSymbols(value);
    writeProperties(value);
  } else {
    const kind = kindOf(value);
    if (kind === undefined) throw refusalOfObject(here(), value);
    checkSymbols(value);
    writeKind(value, kind);
  }
}

function checkSymbols(value: object): void {
  const symbols = getOwnPropertySymbols(value);
  if (symbols.length > 0) throw refusal(here(), `has a symbol as a key: ${String(symbols[0])}`);
}

function enter(value: object): void {
  // Going round a loop ends here long before it fills the memory; deep values that are no loop pay little.
  if (depth >= LOOP_CHECK_DEPTH_MIN && (depth & (depth - 1)) === 0) checkLoop(value);
  if (depth >= profile.NESTING_MAX) {
    checkLoop(value);
    throw refusal(
      here(),
      `is nested more than ${profile.NESTING_MAX} levels deep`,
      "flatten it, or give a codec",
    );
  }
  containers[depth] = value;
  depth++;
  if (depth > deepest) deepest = depth;
}

/** Refuses a value that lies in itself, at the first place that leads back. */
function checkLoop(value: object): void {
  containers[depth] = value;
  deepest = Math.max(deepest, depth + 1);
  const firstSeen = new Map<object, number>();
  for (let index = 0; index <= depth; index++) {
    const container = containers[index]!;
    const first = firstSeen.get(container);
    if (first !== undefined) {
      const start = pathOf(rootName, steps.slice(0, first));
      throw refusal(pathOf(rootName, steps.slice(0, index)), `closes a cycle: it is ${start} again`);
    }
    firstSeen.set(container, index);
  }
}

function writeProperties(value: object): void {
  enter(value);
  const names = keys(value);
  const level = depth - 1;
  output.head(5, names.length);
  if (names.length > profile.PLAIN_ITEMS_MAX) extended = true;
  for (let index = 0; index < names.length; index++) {
    const name = names[index]!;
    steps[level] = name;
    const property = getOwnPropertyDescriptor(value, name)!;
    if (property.get !== undefined || property.set !== undefined) throw accessorRefusal();
    // The reader of plain documents renames this key.
    if (name === "__proto__") extended = true;
    if (!writeText(output, name)) extended = true;
    writeValue(property.value);
  }
  depth = level;
}

function accessorRefusal(): Error {
  return refusal(
    here(),
    "is an accessor (a getter or setter)",
    "save a plain copy that has the value itself",
  );
}

function writeItems(value: readonly unknown[]): void {
  if (!hasOnlyItems(value)) throw refusal(here(), "is an array with properties beside its items");
  enter(value);
  const level = depth - 1;
  const length = value.length;
  output.head(4, length);
  if (length > profile.PLAIN_ITEMS_MAX) extended = true;
  for (let index = 0; index < length; index++) {
    steps[level] = index;
    if (lookUpGetter.call(value, index) !== undefined) throw accessorRefusal();
    const item = value[index];
    if (item === undefined) checkItem(value, index);
    writeValue(item);
  }
  depth = level;
}

/** An item that reads as undefined may be none. */
function checkItem(value: readonly unknown[], index: number): void {
  if (!hasOwn(value, index)) throw refusal(here(), "is a hole in a sparse array", "fill it, or save a Map");
  if (getOwnPropertyDescriptor(value, index)?.set !== undefined) throw accessorRefusal();
}

function writeKind(value: object, kind: Kind): void {
  if (kind === "plain") {
    writeProperties(value);
    return;
  }
  extended = true;
  if (kind === "bare") {
    output.head(6, profile.TAG_BARE_OBJECT);
    writeProperties(value);
  } else if (kind === "typedArray") writeTypedArray(output, value as profile.TypedArray, here());
  else {
    if (keys(value).length > 0) throw refusal(here(), "has properties of its own beside its content");
    writeContent(value, kind);
  }
}

function writeContent(value: object, kind: Kind): void {
  if (kind === "map") writeMap(value as Map<unknown, unknown>);
  else if (kind === "set") writeSet(value as Set<unknown>);
  else if (kind === "date") writeDate(output, value as Date);
  else if (kind === "dataView") writeDataView(output, value as DataView, here());
  else writeArrayBuffer(output, value as ArrayBuffer, here());
}

function writeMap(value: Map<unknown, unknown>): void {
  enter(value);
  const level = depth - 1;
  output.head(6, profile.TAG_MAP);
  output.head(5, sizeOf(value));
  let index = 0;
  for (const [key, item] of mapEntries.call(value)) {
    steps[level] = { part: "key", index };
    writeValue(key);
    steps[level] = { part: "value", index, key };
    writeValue(item);
    index++;
  }
  depth = level;
}

function writeSet(value: Set<unknown>): void {
  enter(value);
  const level = depth - 1;
  output.head(6, profile.TAG_SET);
  output.head(4, sizeOf(value));
  let index = 0;
  for (const item of setValues.call(value)) {
    steps[level] = { part: "item", index };
    writeValue(item);
    index++;
  }
  depth = level;
}
