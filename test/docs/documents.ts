/** Documents of the project, and the fenced blocks in them. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));

/** Every document that is checked for links, by its path from the root. */
export const DOCUMENTS = [
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "adapters/README.md",
  "adapters/storage/README.md",
  "adapters/storage/folder/README.md",
  "adapters/metadata/README.md",
  "bench/README.md",
  "cli/README.md",
  "engine/README.md",
  "engine/chunk/README.md",
  "engine/codec/README.md",
  "test/conformance/README.md",
  "engine/composed/README.md",
  "engine/directory/README.md",
  "engine/log/FORMAT.md",
  "engine/where/README.md",
  "test/crash/README.md",
];

export function readDocument(path: string): string {
  return readFileSync(new URL(path, new URL("../../", import.meta.url)), "utf8");
}

export interface Fence {
  language: string;
  /** What follows the language: a file name. */
  name: string;
  text: string;
}

export function fencesOf(markdown: string): Fence[] {
  const fences = markdown.matchAll(/^```(\w*) ?(.*)\n((?:.*\n)*?)```$/gm);
  return [...fences].map(([, language, name, text]) => ({ language: language!, name: name!, text: text! }));
}

/** The cells of the first table below a heading, without its head. */
export function tableBelow(markdown: string, heading: string): string[][] {
  const section = markdown.slice(markdown.indexOf(`\n${heading}\n`));
  const lines = section.slice(section.indexOf("\n|")).trimStart().split("\n");
  const end = lines.findIndex((line) => !line.startsWith("|"));
  return lines.slice(2, end).map((line) =>
    line
      .slice(1, line.lastIndexOf("|"))
      .split("|")
      .map((cell) => cell.trim()),
  );
}
