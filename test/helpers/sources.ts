import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

export function filesUnder(folder: string, ending = ".ts"): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((path) => join(folder, path))
    .filter(
      (path) =>
        path.endsWith(ending) && statSync(join(root, path)).isFile() && !path.includes("node_modules"),
    )
    .sort();
}

export const read = (path: string) => readFileSync(join(root, path), "utf8");
