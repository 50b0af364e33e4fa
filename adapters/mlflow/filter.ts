import { VarveError } from "../../engine/main.ts";

/** Parts of the filters that MLflow's searches take. There is no way to write a quote within quotes in them. */

export function whereTag(key: string, value: string): string {
  if (key.includes("`")) throw unwritable(key);
  return `tags.\`${key}\` = ${quoted(value)}`;
}

export function whereField(
  field: "name" | "run_id" | "source_path" | "source_run_id",
  value: string,
): string {
  return `${field} = ${quoted(value)}`;
}

/** Versions that were made of versions of this name. Others may be among them: `_` stands for any character. */
export function whereCopyOf(name: string): string {
  return `source_path LIKE ${quoted(`models:/${name}/%`)}`;
}

/** Of runs. @param time milliseconds since 1970 */
export function whereRunningSince(time: number): string {
  return `attributes.status = 'RUNNING' AND attributes.start_time < ${Math.floor(time)}`;
}

export function every(...parts: string[]): string {
  return parts.join(" AND ");
}

function quoted(value: string): string {
  if (!value.includes("'")) return `'${value}'`;
  if (!value.includes('"')) return `"${value}"`;
  throw unwritable(value);
}

function unwritable(value: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", `MLflow can't be asked for ${JSON.stringify(value)}`, {
    hint: "use a name without quotes",
  });
}
