import type { FileSystem } from "../../engine/log/file.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";

/** Calls of the seam that change something on the disk. */
export const CHANGING = [
  "publish",
  "link",
  "replace",
  "remove",
  "makeFolder",
  "syncFolder",
  "append",
  "sync",
  "syncAsync",
];
/** Those that may fail. */
export const FALLIBLE = [...CHANGING, "open", "read", "readAsync", "size", "sizeOf", "list", "freeBytes"];

/** Something done before and after a call; what is thrown before it fails it. */
export interface Steps {
  before?(name: string, path: string): void;
  after?(name: string, path: string): void;
}

/** The real disk, or another one, with something done at each call of the seam that has one of these names. */
export function steppingFiles(names: readonly string[], steps: Steps, files = nodeFileSystem): FileSystem {
  return stepping(files, names, steps, "");
}

function stepping<T extends object>(calls: T, names: readonly string[], steps: Steps, file: string): T {
  return new Proxy(calls, {
    get(target, name) {
      const call = Reflect.get(target, name) as (...values: unknown[]) => unknown;
      if (typeof call !== "function") return call;
      return (...values: unknown[]) => {
        const path = typeof values.at(-1) === "string" && name !== "open" ? values.at(-1) : values[0];
        const place = typeof path === "string" ? path : file;
        const isStep = names.includes(String(name));
        if (isStep) steps.before?.(String(name), place);
        const result = call.apply(target, values);
        if (isStep) steps.after?.(String(name), place);
        return name === "open" ? stepping(result as object, names, steps, place) : result;
      };
    },
  });
}
