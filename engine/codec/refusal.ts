/** Why a value is refused, and the words for the place where it lies. */
import { types } from "node:util";
import { VarveError } from "../errors.ts";
import { constructorOf, dataProperty } from "./kinds.ts";

/** One step from a value into it: an object's key, an array's index, or a part of a Map or Set. */
export type Step = string | number | EntryStep;

export interface EntryStep {
  readonly part: "key" | "value" | "item";
  readonly index: number;
  /** The key of a Map's value. */
  readonly key?: unknown;
}

const PLAIN_DATA_HINT =
  "save plain data (objects, arrays, Map, Set, Date, typed arrays), or give a codec for such values in the option `codecs`";

const HINTS = new Map([
  ["RegExp", "save its source and flags as strings"],
  ["Error", "save its name, message and stack as strings"],
  ["URL", "save its href"],
  ["Promise", "await it and save what it gives"],
  ["Blob", "save its bytes: new Uint8Array(await blob.arrayBuffer())"],
]);

export function refusal(path: string, reason: string, hint = PLAIN_DATA_HINT): VarveError {
  return new VarveError("UNSUPPORTED_VALUE", `${path} ${reason}`, { hint, details: { path } });
}

/** The refusal of an object that is of no kind that is kept. */
export function refusalOfObject(path: string, value: object): VarveError {
  if (types.isProxy(value)) {
    return refusal(path, "is a proxy", "save a plain copy of what it stands for");
  }
  if (types.isPromise(value)) return refusal(path, "is a promise", HINTS.get("Promise"));
  const name = classNameOf(value);
  if (types.isNativeError(value))
    return refusal(path, `is an error (${name ?? "Error"})`, HINTS.get("Error"));
  if (name === undefined) return refusal(path, "is an object with a prototype of its own");
  return refusal(path, `is an instance of ${name}`, HINTS.get(name));
}

function classNameOf(value: object): string | undefined {
  if (types.isModuleNamespaceObject(value)) return "a module namespace";
  if (types.isArgumentsObject(value)) return "arguments";
  const prototype = Object.getPrototypeOf(value) as object | null;
  const maker = prototype === null ? undefined : constructorOf(prototype);
  const name = maker === undefined ? undefined : dataProperty(maker, "name");
  return typeof name === "string" && name !== "" ? name : undefined;
}

export function pathOf(root: string, steps: readonly Step[]): string {
  return root + steps.map(stepText).join("");
}

const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;
const SHOWN_LENGTH_MAX = 80;

function stepText(step: Step): string {
  if (typeof step === "number") return `[${step}]`;
  if (typeof step === "string") return IDENTIFIER.test(step) ? `.${shortened(step)}` : `[${quoted(step)}]`;
  if (step.part === "value" && isShown(step.key)) return `.get(${shownKey(step.key)})`;
  return `.<${step.part} ${step.index}>`;
}

function isShown(key: unknown): key is string | number | bigint | boolean {
  return ["string", "number", "bigint", "boolean"].includes(typeof key);
}

function shownKey(key: string | number | bigint | boolean): string {
  if (typeof key === "string") return quoted(key);
  return typeof key === "bigint" ? `${shortened(key.toString())}n` : String(key);
}

function quoted(text: string): string {
  return JSON.stringify(shortened(text));
}

function shortened(text: string): string {
  return text.length <= SHOWN_LENGTH_MAX ? text : `${text.slice(0, SHOWN_LENGTH_MAX)}…`;
}
