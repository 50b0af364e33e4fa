import type { Json } from "../../../engine/main.ts";
import { refusedOption } from "../names.ts";

/** An input that a model can be tried with, in the two files that MLflow keeps of it. */
export interface WrittenExample {
  /** What `MLmodel` says of them. */
  info: Record<string, string>;
  files: { path: string; text: string }[];
}

const FILE = "input_example.json";
const SERVING_FILE = "serving_input_example.json";
const OPTION = "inputExample";
const TEXT_MAX = 4 * 1024 * 1024;
const KINDS = "an array of numbers, an object of such arrays by name, or an array of objects (rows)";

type Rows = Record<string, Json>[];

/**
 * A copy.
 * @throws INVALID_ARGUMENT for what is none of the kinds that MLflow knows
 */
export function takeExample(given: unknown): Json {
  const text = textOf(given);
  if (text.length > TEXT_MAX)
    throw refusedOption(OPTION, `is longer than ${TEXT_MAX} characters`, "a few rows are enough");
  const example = JSON.parse(text) as Json;
  if (isRows(example)) return example;
  const tensors = Array.isArray(example) ? [example] : objectValues(example);
  if (tensors.length === 0) throw refusedOption(OPTION, "has no input", `it is ${KINDS}`);
  for (const tensor of tensors) shapeOf(tensor);
  return example;
}

function objectValues(example: Json): Json[] {
  if (typeof example === "object" && example !== null) return Object.values(example);
  throw refusedOption(OPTION, "is no input of a model", `it is ${KINDS}`);
}

/** JSON would make `null` of what is no number, and nothing of a function. */
function textOf(given: unknown): string {
  const refuse = (what: string) => refusedOption(OPTION, `has ${what} in it`, "JSON can't tell it");
  const check = (_key: string, value: unknown): unknown => {
    if (typeof value === "number" && !Number.isFinite(value)) throw refuse(String(value));
    if (["bigint", "function", "symbol", "undefined"].includes(typeof value)) throw refuse(typeof value);
    return value;
  };
  try {
    return JSON.stringify(given, check);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw refuse("itself");
    throw error;
  }
}

function isRows(example: Json): example is Rows {
  return (
    Array.isArray(example) &&
    example.length > 0 &&
    example.every((row) => typeof row === "object" && row !== null && !Array.isArray(row))
  );
}

/** @throws INVALID_ARGUMENT for what is no tensor: rows of one length at each level, and no `null` */
function shapeOf(value: Json): number[] {
  if (!Array.isArray(value)) {
    if (typeof value === "object") throw refusedOption(OPTION, "is no tensor", `it is ${KINDS}`);
    return [];
  }
  const shapes = value.map(shapeOf);
  const [first = []] = shapes;
  if (shapes.some((shape) => String(shape) !== String(first) || shape.length !== first.length))
    throw refusedOption(OPTION, "has rows of several lengths", "all rows of a tensor have the same length");
  return [value.length, ...first];
}

/** @param example as `takeExample` gave it */
export function writtenExample(example: Json): WrittenExample {
  const paths = { artifact_path: FILE, serving_input_path: SERVING_FILE };
  const files = (input: Json, serving: Json) => [
    { path: FILE, text: JSON.stringify(input) },
    { path: SERVING_FILE, text: JSON.stringify(serving, null, 2) },
  ];
  if (!isRows(example))
    return { info: { ...paths, type: "ndarray" }, files: files(example, { inputs: example }) };
  const columns = [...new Set(example.flatMap((row) => Object.keys(row)))];
  const table = { columns, data: example.map((row) => columns.map((column) => row[column] ?? null)) };
  return {
    info: { ...paths, type: "dataframe", pandas_orient: "split" },
    files: files(table, { dataframe_split: table }),
  };
}
