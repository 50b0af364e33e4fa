import type { Json, JsonObject } from "../api.ts";
import { compareJson, sameJson, sameType } from "../json-order.ts";
import type { ComparisonOperator, Expression, Field } from "./expression.ts";

/** The fields of an artifact that expressions look at. */
export interface Facts {
  readonly name: string;
  readonly version: number;
  readonly size: number;
  readonly sequence: number;
  readonly mediaType: string;
  readonly digest: string;
  readonly createdBy: string | undefined;
  readonly tags: Record<string, string>;
  readonly metadata: JsonObject;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** Whether an expression holds. A comparison with what is absent, or of another type, never does. */
export function holds(expression: Expression, facts: Facts): boolean {
  switch (expression.kind) {
    case "and":
      return expression.parts.every((part) => holds(part, facts));
    case "or":
      return expression.parts.some((part) => holds(part, facts));
    case "not":
      return !holds(expression.part, facts);
    default:
      return conditionHolds(expression, fieldValue(expression.field, facts));
  }
}

type Condition = Extract<Expression, { field: Field }>;

function conditionHolds(condition: Condition, actual: Json | undefined): boolean {
  if (actual === undefined) return false;
  switch (condition.kind) {
    case "exists":
      return true;
    case "in":
      return condition.values.some((value) => sameJson(actual, value));
    case "glob":
      return typeof actual === "string" && condition.matches(actual);
    case "compare":
      return sameType(actual, condition.value) && compares(actual, condition.operator, condition.value);
  }
}

function compares(actual: Json, operator: ComparisonOperator, value: Json): boolean {
  switch (operator) {
    case "=":
      return sameJson(actual, value);
    case "!=":
      return !sameJson(actual, value);
    case "<":
      return compareJson(actual, value) < 0;
    case "<=":
      return compareJson(actual, value) <= 0;
    case ">":
      return compareJson(actual, value) > 0;
    case ">=":
      return compareJson(actual, value) >= 0;
  }
}

function fieldValue({ name, keys }: Field, facts: Facts): Json | undefined {
  let value: Json | undefined = facts[name];
  for (const key of keys) value = memberOf(value, key);
  return value;
}

/** What an object has under a key of its own. */
function memberOf(value: Json | undefined, key: string): Json | undefined {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject && Object.hasOwn(value, key) ? value[key] : undefined;
}
