import type { Json, MlflowColumn, MlflowParameter, MlflowTensor } from "../../../engine/main.ts";
import { refusedOption } from "../names.ts";

/** What goes into a model and comes out of it, as `MLmodel` has it: texts of JSON. */
export interface WrittenSignature {
  inputs?: string;
  outputs?: string;
  params?: string;
}

const COLUMN_TYPES = ["boolean", "integer", "long", "float", "double", "string", "binary", "datetime", "any"];
const PARAMETER_TYPES = ["boolean", "integer", "long", "float", "double", "string", "datetime"];
/** Of NumPy. */
const DTYPE = /^(bool|u?int(8|16|32|64)|float(16|32|64)|complex(64|128)|str|object|bytes)$/;
const FIELDS_MAX = 10_000;

/** @throws INVALID_ARGUMENT that names the field */
export function takeSignature(given: unknown): WrittenSignature {
  const signature = objectOf("signature", given, ["inputs", "outputs", "params"]);
  const { inputs, outputs, params } = signature;
  if (inputs === undefined && outputs === undefined && params === undefined)
    throw refusedOption("signature", "is empty", "it has inputs, outputs or params");
  return {
    ...(inputs !== undefined && { inputs: schemaOf("signature.inputs", inputs) }),
    ...(outputs !== undefined && { outputs: schemaOf("signature.outputs", outputs) }),
    ...(params !== undefined && {
      params: JSON.stringify(listOf("signature.params", params).map(parameterOf)),
    }),
  };
}

function schemaOf(option: string, given: unknown): string {
  const fields = listOf(option, given);
  const tensors = fields.filter((field) => isObject(field) && "dtype" in field);
  if (tensors.length !== 0 && tensors.length !== fields.length)
    throw refusedOption(option, "has both tensors and columns", "MLflow knows only one kind at a time");
  const written =
    tensors.length > 0
      ? fields.map((field, index) => tensorOf(`${option}[${index}]`, field))
      : fields.map((field, index) => columnOf(`${option}[${index}]`, field));
  const names = written.map((field) => field.name).filter((name) => name !== undefined);
  if (names.length !== 0 && names.length !== fields.length)
    throw refusedOption(option, "has names for some fields only", "give all of them a name, or none");
  if (names.length === 0 && tensors.length > 1)
    throw refusedOption(option, "has several tensors without names", "give each the name that the model has");
  if (new Set(names).size !== names.length)
    throw refusedOption(option, "has a name twice", "each field has a name of its own");
  return JSON.stringify(written);
}

function tensorOf(option: string, given: unknown): { name?: string } {
  const { name, dtype, shape } = objectOf(option, given, ["name", "dtype", "shape"]) as Partial<MlflowTensor>;
  if (typeof dtype !== "string" || !DTYPE.test(dtype))
    throw refusedOption(
      `${option}.dtype`,
      "is no type of NumPy's",
      "such as float32, float64, int64, bool, str",
    );
  const spec = { dtype, shape: shapeOf(`${option}.shape`, shape) };
  return { ...nameOf(option, name), type: "tensor", "tensor-spec": spec } as { name?: string };
}

function columnOf(option: string, given: unknown): { name?: string } {
  const column = objectOf(option, given, ["name", "type", "required"]) as Partial<MlflowColumn>;
  const { name, type, required = true } = column;
  checkType(`${option}.type`, type, COLUMN_TYPES);
  if (typeof required !== "boolean")
    throw refusedOption(`${option}.required`, "must be true or false", "leave it away for true");
  return { type, ...nameOf(option, name), required } as { name?: string };
}

function parameterOf(given: unknown, index: number): Json {
  const option = `signature.params[${index}]`;
  const known = ["name", "type", "default", "shape"];
  const parameter = objectOf(option, given, known) as Partial<MlflowParameter>;
  const { name, type, default: value, shape } = parameter;
  checkType(`${option}.type`, type, PARAMETER_TYPES);
  if (typeof name !== "string" || name === "")
    throw refusedOption(`${option}.name`, "is missing", "MLflow passes parameters by name");
  if (value === undefined)
    throw refusedOption(`${option}.default`, "is missing", "MLflow asks for one; it may be null");
  const isScalar = shape === undefined;
  return {
    name,
    type: type as string,
    default: value,
    shape: isScalar ? null : shapeOf(`${option}.shape`, shape),
  };
}

function checkType(option: string, type: unknown, known: readonly string[]): void {
  if (typeof type === "string" && known.includes(type)) return;
  throw refusedOption(option, "is no type of MLflow's", `there are ${known.join(", ")}`);
}

function nameOf(option: string, name: unknown): { name?: string } {
  if (name === undefined) return {};
  if (typeof name === "string" && name !== "") return { name };
  throw refusedOption(`${option}.name`, "must be a text, and not empty", "or leave it away");
}

function shapeOf(option: string, shape: unknown): number[] {
  const isShape = Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= -1);
  if (isShape) return [...shape];
  throw refusedOption(option, "must be an array of whole numbers", "-1 stands for any, for example [-1, 4]");
}

function listOf(option: string, given: unknown): unknown[] {
  if (!Array.isArray(given) || given.length === 0)
    throw refusedOption(option, "must be an array, and not empty", "leave it away where there is none");
  if (given.length <= FIELDS_MAX) return given;
  throw refusedOption(option, `has more than ${FIELDS_MAX} fields`, "describe it as one tensor");
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function objectOf(option: string, given: unknown, known: readonly string[]): Record<string, unknown> {
  if (!isObject(given)) throw refusedOption(option, "must be an object", `it has ${known.join(", ")}`);
  for (const key of Object.keys(given)) {
    if (!known.includes(key))
      throw refusedOption(`${option}.${key}`, "is no field", `there are ${known.join(", ")}`);
  }
  return given as Record<string, unknown>;
}
