import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DOCUMENTS, readDocument, root } from "./documents.ts";

const test = suite("documents");

/** The anchor that a heading gets, as GitHub makes it. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

for (const document of DOCUMENTS) {
  test(`every link of ${document} leads somewhere`, () => {
    for (const [, target] of readDocument(document).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (target!.includes("://")) continue;
      const [path, anchor] = target!.split("#");
      const file = path === "" ? document : join(dirname(document), path!);
      assert.ok(existsSync(join(root, file)), `${document} links to ${target}`);
      if (anchor === undefined) continue;
      assert.ok(anchorsOf(readDocument(file)).includes(anchor), `${document} links to ${target}`);
    }
  });

  test(`every file that ${document} names exists`, () => {
    const named = readDocument(document).matchAll(/`((?:engine|cli|test|adapters|bench)\/[\w./-]*)`/g);
    for (const [, path] of named) {
      // What the benchmark writes is there once it has run.
      if (path!.startsWith("bench/results")) continue;
      assert.ok(existsSync(join(root, path!)), `${document} names ${path}`);
    }
  });
}

test("every test that engine/README.md names exists", () => {
  const named = [...readDocument("engine/README.md").matchAll(/`(test\/[\w./-]+)`: “([^”]+)”/g)];
  assert.ok(named.length > 5);
  for (const [, file, name] of named)
    assert.ok(readDocument(file!).includes(`"${name}"`), `${file}: ${name}`);
});

test.run();
