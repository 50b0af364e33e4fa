import { readFile } from "node:fs/promises";
import type { Code, CodeInput, CodeSource } from "./api.ts";
import { fromSystemError, VarveError } from "./errors.ts";

/** The sources as they are now. Files are read; a function gives its own text, without what it closes over. */
export function captureCode(input: CodeInput | undefined): Code | Promise<Code> | undefined {
  if (input === undefined) return undefined;
  if (typeof input === "function") return { sources: [{ text: Function.prototype.toString.call(input) }] };
  if (typeof input === "string") return { sources: [{ text: input }] };
  if (typeof input === "object" && input !== null) {
    if ("file" in input && typeof input.file === "string") return reading([input.file]);
    if ("files" in input && isStringArray(input.files)) return reading(input.files);
  }
  throw new VarveError("INVALID_ARGUMENT", "code must be a function, a string, { file } or { files }", {
    hint: 'for example { code: train }, { code: { file: "train.ts" } } or { code: { files: ["a.ts", "b.ts"] } }',
  });
}

function isStringArray(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/** A save that is refused for something else waits for it no more: that it fails too is nobody's failure then. */
function reading(files: string[]): Promise<Code> {
  const code = readSources(files);
  code.catch(() => {});
  return code;
}

async function readSources(files: string[]): Promise<Code> {
  return { sources: await Promise.all(files.map(readSource)) };
}

async function readSource(file: string): Promise<CodeSource> {
  try {
    return { file, text: await readFile(file, "utf8") };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      throw new VarveError("INVALID_ARGUMENT", `the code file ${file} does not exist`, {
        hint: "give the path of a file that can be read",
        cause: error,
      });
    }
    throw fromSystemError(error, `reading the code file ${file}`);
  }
}
