import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { differenceBetween } from "../../cli/diff/document.ts";
import { type Artifact, openStore } from "../../engine/main.ts";
import { CommandLine, documentsOf } from "../helpers/command-line.ts";

const test = suite<{ line: CommandLine }>("varve diff");

test.before.each(async (context) => {
  context.line = await CommandLine.inNewFolder();
});
test.after.each(({ line }) => line.remove());

/** Two versions of `a` with these values. */
async function saveBoth(line: CommandLine, from: unknown, to: unknown): Promise<void> {
  const store = await openStore({ home: line.home });
  try {
    await store.save("a", from);
    await store.save("a", to);
  } finally {
    await store.close();
  }
}

/** The lines below the two that name the artifacts. */
async function linesOf(line: CommandLine, from = "a:0", to = "a:1"): Promise<string[]> {
  const { stdout, stderr, exitCode } = await line.varve(["diff", from, to]);
  assert.is(stderr, "");
  assert.is(exitCode, 0);
  const lines = stdout.split("\n");
  assert.ok(lines[0]!.startsWith(`--- ${from} created on `));
  assert.ok(lines[1]!.startsWith(`+++ ${to} created on `));
  return lines.slice(2, -1);
}

async function documentOf(line: CommandLine, from = "a:0", to = "a:1") {
  return documentsOf(await line.varve(["diff", from, to, "--json"]))[0];
}

test("structured values are compared path by path", async ({ line }) => {
  await saveBoth(
    line,
    { k: 3, same: [1, { x: 1 }], layers: [{ units: 8 }, { units: 4 }], "odd key": null, gone: 1n },
    { k: 5, same: [1, { x: 1 }], layers: [{ units: 8 }, { units: 6 }], "odd key": "null", added: Number.NaN },
  );
  assert.equal(await linesOf(line), [
    "- value.k: 3",
    "+ value.k: 5",
    "- value.layers[1].units: 4",
    "+ value.layers[1].units: 6",
    '- value["odd key"]: null',
    '+ value["odd key"]: "null"',
    '- value.gone: {"$bigint":"1"}',
    '+ value.added: {"$number":"NaN"}',
  ]);
  const { value, ...others } = await documentOf(line);
  assert.equal(Object.keys(others), ["from", "to"]);
  assert.is(value.kind, "structure");
  assert.is(value.count, 5);
  assert.equal(value.changes[0], { path: "value.k", from: { value: 3 }, to: { value: 5 } });
  assert.equal(value.changes.at(-1), { path: "value.added", to: { value: { $number: "NaN" } } });
});

test("an item put into an array is one difference", async ({ line }) => {
  await saveBoth(line, ["a", "b", "c"], ["a", "new", "b", "c"]);
  assert.equal(await linesOf(line), ['+ value[1]: "new"']);
});

test("types, -0, prototypes and the order of keys are told apart", async ({ line }) => {
  const from = { type: 1, zero: 0, bare: {}, order: { x: 1, y: 2 }, date: new Date(0) };
  const to = {
    ...{ type: "1", zero: -0, bare: Object.create(null) },
    ...{ order: { y: 2, x: 1 }, date: new Date(Number.NaN) },
  };
  await saveBoth(line, from, to);
  assert.equal(await linesOf(line), [
    "- value.type: 1",
    '+ value.type: "1"',
    "- value.zero: 0",
    '+ value.zero: {"$number":"-0"}',
    "- value.bare: {}",
    '+ value.bare: {"$bare":{}}',
    '- Object.keys(value.order): ["x","y"]',
    '+ Object.keys(value.order): ["y","x"]',
    '- value.date: {"$date":"1970-01-01T00:00:00.000Z"}',
    '+ value.date: {"$date":null}',
  ]);
});

test("maps, sets, typed arrays, bytes and long values are told by size and digest", async ({ line }) => {
  const make = (n: number) => ({
    map: new Map([["k", n]]),
    set: new Set([1, n, 10]),
    floats: new Float32Array([1, 2, n]),
    bytes: Buffer.alloc(2048, n),
    text: "x".repeat(1000) + n,
    list: Array.from({ length: n }, (_, index) => `item number ${index}`),
  });
  await saveBoth(line, { ...make(5), list: 0 }, { ...make(6), list: make(50).list });
  const lines = await linesOf(line);
  const digest = "sha256:[0-9a-f]{12}…";
  for (const [index, text] of [
    "- value.map: Map of 1 item",
    "+ value.map: Map of 1 item",
    "- value.set: Set of 3 items",
    "+ value.set: Set of 3 items",
    "- value.floats: Float32Array of 12 bytes",
    "+ value.floats: Float32Array of 12 bytes",
    "- value.bytes: Uint8Array of 2.0 KiB",
    "+ value.bytes: Uint8Array of 2.0 KiB",
    "- value.text: text of 1001 characters",
    "+ value.text: text of 1001 characters",
    "- value.list: 0",
    "+ value.list: Array of 50 items",
  ].entries()) {
    if (text.endsWith(": 0")) assert.is(lines[index], text);
    else assert.match(lines[index]!, new RegExp(`^\\${text}, ${digest}$`));
  }
  assert.is(new Set(lines).size, lines.length);
  const { value } = await documentOf(line);
  const { from } = value.changes.find(({ path }: { path: string }) => path === "value.floats");
  assert.is(from.type, "Float32Array");
  assert.is(from.size, 12);
  assert.match(from.digest, /^sha256:[0-9a-f]{64}$/);
});

test("a map in another order is a difference", async ({ line }) => {
  const pairs: [string, number][] = [
    ["a", 1],
    ["b", 2],
  ];
  await saveBoth(line, new Map(pairs), new Map(pairs.toReversed()));
  assert.is((await linesOf(line)).length, 2);
});

test("text is compared by lines, with some lines around", async ({ line }) => {
  const text = Array.from({ length: 20 }, (_, index) => `line ${index}\n`);
  await saveBoth(line, Buffer.from(text.join("")), Buffer.from(text.with(9, "changed\n").join("")));
  assert.equal(await linesOf(line), [
    "@@ value: -1 +1 lines @@",
    "@@ line 7 @@",
    ...[" line 6", " line 7", " line 8", "-line 9", "+changed", " line 10", " line 11", " line 12"],
  ]);
  const { value } = await documentOf(line);
  assert.is(value.kind, "text");
  assert.equal([value.removed, value.added, value.complete], [1, 1, true]);
  assert.is(value.hunks[0].from, 7);
});

test("other bytes, and values of different kinds, are told by size and digest", async ({ line }) => {
  await saveBoth(line, Buffer.from([0, 255]), Buffer.from([0, 255, 1]));
  const lines = await linesOf(line);
  assert.match(lines[0]!, /^- value: 2 bytes, sha256:[0-9a-f]{12}…$/);
  assert.match(lines[1]!, /^\+ value: 3 bytes, /);
  const { value } = await documentOf(line);
  assert.is(value.kind, "bytes");
  assert.match(value.to.digest, /^sha256:[0-9a-f]{64}$/);
  await line.varve(["save", "a", "--value", "1"]);
  const [type, otherType, ...rest] = await linesOf(line, "a:1", "a:2");
  assert.is(type, "- mediaType: application/octet-stream");
  assert.is(otherType, "+ mediaType: application/cbor");
  assert.is(rest.length, 2);
});

test("inputs, tags and metadata are compared", async ({ line }) => {
  for (const name of ["x", "y"]) await line.varve(["save", name, "--value", "1"]);
  const save = (...words: string[]) => line.varve(["save", "a", "--value", "1", ...words]);
  await save("--input", "x", "--tag", "k=v", "only=1", "--meta", 'm={"deep":1,"same":2}');
  await save("--input", "y", "--tag", "k=w", "--meta", 'm={"same":2,"deep":2}', "n=true");
  assert.equal(await linesOf(line), [
    "- inputs: x:0",
    "+ inputs: y:0",
    '- tags.k: "v"',
    '+ tags.k: "w"',
    '- tags.only: "1"',
    "- metadata.m.deep: 1",
    "+ metadata.m.deep: 2",
    "+ metadata.n: true",
  ]);
  assert.equal((await documentOf(line)).inputs, { removed: ["x:0"], added: ["y:0"] });
});

test("code is compared source by source", async ({ line }) => {
  const file = (name: string, text: string) => {
    writeFileSync(join(line.folder, name), text);
    return join(line.folder, name);
  };
  const save = (...code: string[]) => line.varve(["save", "a", "--value", "1", "--code", ...code]);
  const [one, two, three] = [file("one.ts", "one\nand\n"), file("two.ts", "two\n"), file("3.ts", "three\n")];
  await save(one!, two!);
  file("one.ts", "one\nor");
  await save(one!, three!);
  assert.equal(await linesOf(line), [
    `@@ code ${one}: -1 +1 lines @@`,
    "@@ line 1 @@",
    ...[" one", "-and", "+or", "\\ no line break at the end"],
    `@@ code ${two} -> nothing: -1 +0 lines @@`,
    ...["@@ line 1 @@", "-two"],
    `@@ code nothing -> ${three}: -0 +1 lines @@`,
    ...["@@ line 1 @@", "+three"],
  ]);
  await save(two!);
  await save(three!);
  const { code } = await documentOf(line, "a:2", "a:3");
  assert.equal(code, [
    {
      ...{ from: two, to: three, removed: 1, added: 1, complete: true },
      hunks: [{ from: 1, to: 1, lines: ["-two", "+three"] }],
    },
  ]);
});

test("the environment is compared", async ({ line }) => {
  for (const environment of [false as const, undefined]) {
    const store = await openStore({ home: line.home, ...(environment === false && { environment }) });
    await store.save("a", 1);
    await store.close();
  }
  const lines = await linesOf(line);
  assert.ok(lines.includes(`+ environment.node: "${process.version}"`));
  assert.ok((await documentOf(line)).environment.count > 0);
});

test("whether the checkout was dirty is compared where both sides know it", async () => {
  const partsOf = async (from: object, to: object) => {
    const artifact = { ref: "a:0", digest: "", mediaType: "", inputs: [], tags: {}, metadata: {} };
    const [a, b] = [from, to].map((git) => ({ ...artifact, environment: { git } }) as unknown as Artifact);
    return (await differenceBetween(a!, b!, {})).environment?.changes.map(({ path }) => path);
  };
  assert.equal(await partsOf({ commit: "1" }, { commit: "1", dirty: true }), undefined);
  assert.equal(await partsOf({ commit: "1" }, { commit: "2", dirty: true }), ["environment.git.commit"]);
  assert.equal(await partsOf({ commit: "1", dirty: false }, { commit: "1", dirty: true }), [
    "environment.git.dirty",
  ]);
});

test("what does not differ is said on stderr, and left out of the document", async ({ line }) => {
  await saveBoth(line, { k: 1 }, { k: 1 });
  const { stdout, stderr, exitCode } = await line.varve(["diff", "a:0", "a"]);
  assert.is(stdout, "");
  assert.is(stderr, "a:0 and a:1 do not differ\n");
  assert.is(exitCode, 0);
  assert.equal(await documentOf(line), { from: "a:0", to: "a:1" });
});

test("there is an end to what is told", async ({ line }) => {
  const numbers = (from: number) => Array.from({ length: 5000 }, (_, index) => from + index);
  await saveBoth(line, numbers(0), numbers(10_000));
  const lines = await linesOf(line);
  assert.is(lines.length, 2001);
  assert.is(lines.at(-1), "… (4000 more differences)");
  await saveBoth(line, Buffer.from(numbers(0).join("\n")), Buffer.from(numbers(10_000).join("\n")));
  const text = await linesOf(line, "a:2", "a:3");
  assert.is(text.length, 2 + 1000 + 1);
  assert.is(text[0], "@@ value: -5000 +5000 lines @@");
  assert.is(text.at(-1), "… (more lines differ)");
  const { value } = await documentOf(line, "a:2", "a:3");
  assert.is(value.complete, false);
});

test("it has colors on a terminal, and nothing in it drives the terminal", async ({ line }) => {
  const evil = "\u001b]0;title\u0007\u202e";
  await saveBoth(line, { [evil]: evil }, { [evil]: 1 });
  await saveBoth(line, `${evil}\r\nsame\n`, `${evil}\nsame\n`);
  for (const refs of [
    ["a:0", "a:1"],
    ["a:2", "a:3"],
  ]) {
    const { stdout } = await line.varve(["diff", ...refs], { terminal: ["stdout"] });
    const marked = stdout.replaceAll("\u001b[31m", "<red>").replaceAll("\u001b[32m", "<green>");
    const shown = marked.replaceAll("\u001b[2m", "<dim>").replaceAll("\u001b[0m", "</>");
    assert.match(shown, /^<red>-.*<\/>\n<green>\+.*<\/>\n/m);
    assert.not.match(shown, /(?!\n)[\p{Cc}\u202e]/u);
  }
  assert.is((await line.varve(["diff", "a:0", "none"])).exitCode, 3);
  assert.is((await line.varve(["diff", "a:0"])).exitCode, 2);
});

test.run();
