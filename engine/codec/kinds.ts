/** What an object is, found out without running any code of its own: no getter, no trap, no method. */
import { inspect, types } from "node:util";

export type Kind =
  | "plain"
  | "bare"
  | "array"
  | "map"
  | "set"
  | "date"
  | "arrayBuffer"
  | "typedArray"
  | "dataView";

const functionSource = Function.prototype.toString;
const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object;
const typedArrayName = getterOf(typedArrayPrototype, Symbol.toStringTag);
const typedArrayLength = getterOf(typedArrayPrototype, "length");
const mapSize = getterOf(Map.prototype, "size");
const setSize = getterOf(Set.prototype, "size");
const resizable = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "resizable")?.get;
const viewGetters = {
  typedArray: gettersOfView(typedArrayPrototype),
  dataView: gettersOfView(DataView.prototype),
};

/** The kind of an object that is no proxy, or undefined if it is of no kind that is kept. */
export function kindOf(value: object): Kind | undefined {
  const prototype = Object.getPrototypeOf(value) as object | null;
  const kind = exoticKindOf(value);
  if (kind !== undefined) return isBuiltInPrototype(prototype, classNameOf(value, kind)) ? kind : undefined;
  if (types.isModuleNamespaceObject(value) || types.isArgumentsObject(value)) return undefined;
  if (prototype === null) return "bare";
  return isBuiltInPrototype(prototype, "Object") ? "plain" : undefined;
}

function exoticKindOf(value: object): Kind | undefined {
  if (Array.isArray(value)) return "array";
  if (types.isMap(value)) return "map";
  if (types.isSet(value)) return "set";
  if (types.isDate(value)) return "date";
  if (types.isTypedArray(value)) return "typedArray";
  if (types.isDataView(value)) return "dataView";
  if (types.isArrayBuffer(value)) return "arrayBuffer";
  return undefined;
}

const CLASS_NAMES: Readonly<Record<Kind, string>> = {
  plain: "Object",
  bare: "Object",
  array: "Array",
  map: "Map",
  set: "Set",
  date: "Date",
  arrayBuffer: "ArrayBuffer",
  typedArray: "",
  dataView: "DataView",
};

function classNameOf(value: object, kind: Kind): string {
  return kind === "typedArray" ? typedArrayNameOf(value) : CLASS_NAMES[kind];
}

/** The class of a typed array, whatever its prototype says. */
export function typedArrayNameOf(value: object): string {
  return typedArrayName.call(value) as string;
}

/** The memory that a typed array or `DataView` shows, whatever its own properties say. */
export function memoryOf(view: object): { buffer: ArrayBufferLike; offset: number; length: number } {
  const getters = types.isDataView(view) ? viewGetters.dataView : viewGetters.typedArray;
  const buffer = getters.buffer.call(view) as ArrayBufferLike;
  // A DataView of memory that was transferred away throws where a typed array is empty.
  if (isDetached(buffer)) return { buffer, offset: 0, length: 0 };
  return { buffer, offset: getters.offset.call(view) as number, length: getters.length.call(view) as number };
}

export function isDetached(buffer: ArrayBufferLike): boolean {
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

export function isResizable(buffer: ArrayBuffer): boolean {
  return resizable?.call(buffer) === true;
}

/** The number of entries of a `Map` or `Set`, whatever its own properties say. */
export function sizeOf(value: object): number {
  return (types.isMap(value) ? mapSize : setSize).call(value) as number;
}

/** Whether `prototype` is that of the built-in class `name`, of this realm or of another one (`node:vm`). */
function isBuiltInPrototype(prototype: object | null, name: string): boolean {
  if (prototype === null) return false;
  const here = (globalThis as unknown as Record<string, { prototype: object } | undefined>)[name];
  if (prototype === here?.prototype) return true;
  if (name === "Uint8Array" && prototype === Buffer.prototype) return true;
  const maker = constructorOf(prototype);
  if (maker === undefined || dataProperty(maker, "prototype") !== prototype) return false;
  return functionSource.call(maker) === `function ${name}() { [native code] }`;
}

/** The function that a prototype names as its constructor. */
export function constructorOf(prototype: object): object | undefined {
  if (types.isProxy(prototype)) return undefined;
  const maker = dataProperty(prototype, "constructor");
  return typeof maker === "function" && !types.isProxy(maker) ? maker : undefined;
}

/** The value of an own property that is no accessor. */
export function dataProperty(owner: object, key: PropertyKey): unknown {
  return Object.getOwnPropertyDescriptor(owner, key)?.value;
}

function gettersOfView(prototype: object): Record<"buffer" | "offset" | "length", () => unknown> {
  return {
    buffer: getterOf(prototype, "buffer"),
    offset: getterOf(prototype, "byteOffset"),
    length: getterOf(prototype, "byteLength"),
  };
}

function getterOf(prototype: object, key: PropertyKey): () => unknown {
  return Object.getOwnPropertyDescriptor(prototype, key)!.get!;
}

/** Above this length it is cheaper to let `inspect` look than to list all indices as strings. */
const LISTED_LENGTH_MAX = 64;
const inspectOptions = {
  maxArrayLength: 0,
  depth: 0,
  customInspect: false,
  breakLength: Number.POSITIVE_INFINITY,
};
const withoutItems = (value: object): string => inspect(value, inspectOptions).replace(/\d+/g, "#");
/** By names of types, made when they are first met: to look at a single array takes `inspect` milliseconds. */
const bareTexts = new Map<string, string>();

/** Whether an array or typed array has no enumerable properties beside its items. Holes may hide one: look for them too. */
export function hasOnlyItems(value: object): boolean {
  const length = Array.isArray(value) ? value.length : (typedArrayLength.call(value) as number);
  // `inspect` reads the length of typed arrays, and would call a getter that hides it.
  const isSafe = Array.isArray(value) || !Object.hasOwn(value, "length");
  if (length > LISTED_LENGTH_MAX && isSafe && withoutItems(value) === bareTextOf(value)) return true;
  return Object.keys(value).length <= length;
}

/** How `inspect` shows such an array with two items and nothing else; digits apart, more items look the same. */
function bareTextOf(value: object): string {
  const name = Array.isArray(value) ? "Array" : Buffer.isBuffer(value) ? "Buffer" : typedArrayNameOf(value);
  const known = bareTexts.get(name);
  if (known !== undefined) return known;
  const text = withoutItems(twoItems(name));
  bareTexts.set(name, text);
  return text;
}

function twoItems(name: string): object {
  if (name === "Array") return [0, 0];
  if (name === "Buffer") return Buffer.alloc(2);
  const make = (globalThis as unknown as Record<string, new (length: number) => object>)[name]!;
  return new make(2);
}
