import type { Json } from "../api.ts";

/** What a `where` text says, taken apart. */
export type Expression =
  | { kind: "and" | "or"; parts: Expression[] }
  | { kind: "not"; part: Expression }
  | { kind: "compare"; field: Field; operator: ComparisonOperator; value: Json }
  | { kind: "in"; field: Field; values: Json[] }
  | { kind: "glob"; field: Field; matches: (text: string) => boolean }
  | { kind: "exists"; field: Field };

export type ComparisonOperator = "=" | "!=" | "<" | "<=" | ">" | ">=";

/** A field of an artifact; `keys` lead into tags (one) and metadata (one or more). */
export interface Field {
  name: FieldName;
  keys: string[];
}

/** The fields, and the type that each is compared as; metadata has any. Times are milliseconds since 1970. */
export const FIELD_TYPES = {
  name: "text",
  version: "number",
  size: "number",
  sequence: "number",
  createdAt: "time",
  mediaType: "text",
  createdBy: "text",
  digest: "text",
  tags: "text",
  metadata: "any",
} as const;

export type FieldName = keyof typeof FIELD_TYPES;
export type FieldType = (typeof FIELD_TYPES)[FieldName];

export function isFieldName(text: string): text is FieldName {
  return Object.hasOwn(FIELD_TYPES, text);
}

/** The fields that an expression looks at. */
export function fieldsOf(expression: Expression): Set<FieldName> {
  switch (expression.kind) {
    case "and":
    case "or":
      return new Set(expression.parts.flatMap((part) => [...fieldsOf(part)]));
    case "not":
      return fieldsOf(expression.part);
    default:
      return new Set([expression.field.name]);
  }
}
