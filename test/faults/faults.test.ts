import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import "../helpers/whole-suites.ts";
import { faults } from "./faults.ts";

/** They are tried by `run.ts`; here it is only looked whether they still can be. */
const test = suite("seeded faults");

const root = fileURLToPath(new URL("../..", import.meta.url));
const sources = new Map<string, string>();

function sourceOf(file: string): string {
  const source = sources.get(file) ?? readFileSync(join(root, file), "utf8");
  sources.set(file, source);
  return source;
}

test("each stands exactly once in its file, and takes something away", () => {
  const wrong = faults.flatMap(({ name, file, text, replacement }) => {
    const times = sourceOf(file).split(text).length - 1;
    return times === 1 && text !== replacement ? [] : [`${name}: ${times} times in ${file}: ${text}`];
  });
  assert.equal(wrong, []);
});

test("each has a name of its own, and tests that are there", () => {
  assert.is(new Set(faults.map(({ name }) => name)).size, faults.length);
  const missing = faults
    .flatMap(({ tests }) => tests)
    .filter((path) => !existsSync(join(root, "test", path)));
  assert.equal(missing, []);
  assert.equal(
    faults.filter(({ tests }) => tests.length === 0),
    [],
  );
});

test.run();
