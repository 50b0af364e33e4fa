import type { Json, JsonObject } from "../api.ts";
import { VarveError } from "../errors.ts";
import { compareJson, sameJson, sameType, typeOf } from "../json-order.ts";

/** Whether the value under a key (undefined: there is none) is what is wanted. */
export type Test = (actual: Json | undefined) => boolean;

/** The operators of a metadata filter. But for `exists`, each holds only for values of its operand's type. */
const OPERATORS: Record<string, (operand: Json, path: string) => Test> = {
  eq: (operand) => whenPresent((actual) => sameJson(actual, operand)),
  ne: (operand) => whenPresent((actual) => sameType(actual, operand) && !sameJson(actual, operand)),
  gt: ordered((order) => order > 0),
  gte: ordered((order) => order >= 0),
  lt: ordered((order) => order < 0),
  lte: ordered((order) => order <= 0),
  in: (operand, path) => {
    if (!Array.isArray(operand)) throw badOperand(path, operand, "an array of values");
    return whenPresent((actual) => operand.some((one) => sameJson(actual, one)));
  },
  exists: (operand, path) => {
    if (typeof operand !== "boolean") throw badOperand(path, operand, "true or false");
    return (actual) => (actual !== undefined) === operand;
  },
};

/** A plain value stands for `{ eq: value }`; of several operators all must hold. `wanted` is JSON. */
export function metadataTest(wanted: Json, path: string): Test {
  if (typeOf(wanted) !== "object") return OPERATORS.eq!(wanted, path);
  const tests = Object.entries(wanted as JsonObject).map(([operator, operand]) => {
    if (Object.hasOwn(OPERATORS, operator)) return OPERATORS[operator]!(operand, `${path}.${operator}`);
    throw new VarveError("INVALID_ARGUMENT", `${path}.${operator} is no operator`, {
      hint: `there are ${Object.keys(OPERATORS).join(", ")}; write { eq: {…} } to find an equal object`,
    });
  });
  return (actual) => tests.every((test) => test(actual));
}

/** What `metadata` has under `key`: itself a key at the top, else a path whose steps are separated by points. */
export function metadataAt(metadata: JsonObject, key: string): Json | undefined {
  if (Object.hasOwn(metadata, key)) return metadata[key];
  let value: Json | undefined = metadata;
  for (const step of key.split(".")) {
    const isObject: boolean = value !== undefined && typeOf(value) === "object";
    value = isObject && Object.hasOwn(value as JsonObject, step) ? (value as JsonObject)[step] : undefined;
  }
  return value;
}

function whenPresent(test: (actual: Json) => boolean): Test {
  return (actual) => actual !== undefined && test(actual);
}

function ordered(test: (order: number) => boolean): (operand: Json, path: string) => Test {
  return (operand, path) => {
    if (typeof operand !== "number" && typeof operand !== "string") {
      throw badOperand(path, operand, "a number or a text");
    }
    // Between other types the order is NaN, which no test lets through.
    return whenPresent((actual) => test(compareJson(actual, operand)));
  };
}

function badOperand(path: string, operand: Json, what: string): VarveError {
  return new VarveError(
    "INVALID_ARGUMENT",
    `${path} must be ${what}, not ${JSON.stringify(operand).slice(0, 100)}`,
    { hint: 'for example { accuracy: { gte: 0.9 }, kind: { in: ["a", "b"] }, note: { exists: true } }' },
  );
}
