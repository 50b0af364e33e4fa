/** What is kept with a value, whatever it is and wherever it comes from. */

import type { AdoptOptions } from "../engine/main.ts";
import { metadataFrom, optional, tagsFrom, wholeNumberFrom } from "./pairs.ts";
import type { OptionValues } from "./verb.ts";

export const savedWithOptions = {
  code: { kind: "list", describe: "files with the code that made it" },
  input: { kind: "list", describe: "refs of the artifacts that it was made from" },
  tag: { kind: "list", describe: "tags, as key=value" },
  meta: { kind: "list", describe: "metadata, as key=JSON" },
  "if-version": { kind: "text", describe: 'save only if this is the latest version, or "absent"' },
} as const;

export function savedWithFrom(given: OptionValues<typeof savedWithOptions>): AdoptOptions {
  const { code } = given;
  return {
    inputs: given.input,
    tags: tagsFrom(given.tag),
    metadata: metadataFrom(given.meta),
    ...optional("code", code.length === 0 ? undefined : { files: code }),
    ...optional("ifVersion", ifVersionFrom(given["if-version"])),
  };
}

function ifVersionFrom(text: string | undefined): number | "absent" | undefined {
  return text === undefined || text === "absent" ? text : wholeNumberFrom(text, "if-version", 0);
}
