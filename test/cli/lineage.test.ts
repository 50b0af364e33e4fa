import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dotLines, mermaidLines } from "../../cli/lineage/graph-text.ts";
import { treeLines } from "../../cli/lineage/tree.ts";
import type { LineageGraph, LineageNode } from "../../engine/main.ts";
import { CommandLine, documentsOf } from "../helpers/command-line.ts";

const test = suite<{ line: CommandLine }>("varve lineage");

test.before.each(async (context) => {
  context.line = await CommandLine.inNewFolder();
});
test.after.each(({ line }) => line.remove());

/** raw (deleted) → clean → model → report, and clean → report, raw → report. */
async function fill(line: CommandLine): Promise<void> {
  const save = (name: string, ...inputs: string[]) =>
    line.varve(["save", name, "--value", "1", ...(inputs.length > 0 ? ["--input", ...inputs] : [])]);
  await save("raw");
  await save("clean", "raw");
  await save("model", "clean");
  await save("report", "model", "clean", "raw");
  await line.varve(["delete", "raw:0", "--yes"]);
}

async function textOf(line: CommandLine, ...words: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await line.varve(["lineage", ...words]);
  assert.is(stderr, "");
  assert.is(exitCode, 0);
  return stdout;
}

test("without options it is a tree of both directions, deleted versions marked", async ({ line }) => {
  await fill(line);
  const lines = [
    "model:0",
    "  made from",
    "  └─ clean:0",
    "     └─ raw:0 (deleted)",
    "  used in",
    "  └─ report:0",
  ];
  assert.is(await textOf(line, "model"), `${lines.join("\n")}\n`);
});

test("what several were made from is told once, at its place nearest to the root", async ({ line }) => {
  await fill(line);
  const lines = [
    "report:0",
    "  made from",
    "  ├─ model:0",
    "  │  └─ clean:0 (told elsewhere)",
    "  ├─ clean:0",
    "  │  └─ raw:0 (deleted)",
    "  └─ raw:0 (deleted)",
  ];
  assert.is(await textOf(line, "report", "--up"), `${lines.join("\n")}\n`);
});

test("--up, --down and --depth bound it", async ({ line }) => {
  await fill(line);
  const refs = async (...words: string[]) => {
    const [graph] = documentsOf(await line.varve(["lineage", ...words, "--json"]));
    return graph.nodes.map(({ ref }: LineageNode) => ref);
  };
  assert.equal(await refs("model", "--up"), ["model:0", "clean:0", "raw:0"]);
  assert.equal(await refs("model", "--down"), ["model:0", "report:0"]);
  assert.equal(await refs("model", "--up", "--down"), await refs("model"));
  assert.equal(await refs("model", "--up", "--depth", "1"), ["model:0", "clean:0"]);
  assert.is(await textOf(line, "report", "--down"), "report:0\n  used in nothing\n");
});

test("--json and --format json give the library's graph", async ({ line }) => {
  await fill(line);
  const [graph] = documentsOf(await line.varve(["lineage", "clean", "--json"]));
  assert.is(graph.nodes[0].ref, "clean:0");
  assert.is(graph.nodes.find(({ ref }: LineageNode) => ref === "raw:0").deleted, true);
  assert.ok(
    graph.edges.some(({ from, to }: { from: string; to: string }) => from === "raw:0" && to === "clean:0"),
  );
  assert.is(graph.complete, true);
  assert.equal(JSON.parse(await textOf(line, "clean", "--format", "json")), graph);
});

test("dot and mermaid have a node for each artifact and an arrow for each use", async ({ line }) => {
  await fill(line);
  const dot = await textOf(line, "clean", "--up", "--format", "dot");
  assert.match(dot, /^digraph lineage \{\n/);
  assert.match(dot, /^ {2}n0 \[label="clean:0", penwidth=2\]$/m);
  assert.match(dot, /^ {2}n1 \[label="raw:0\\n\(deleted\)", style=dashed\]$/m);
  assert.match(dot, /^ {2}n1 -> n0$/m);
  assert.ok(dot.endsWith("\n}\n"));
  const mermaid = await textOf(line, "clean", "--up", "--format", "mermaid");
  const lines = [
    "flowchart LR",
    '  n0["clean:0"]',
    '  n1["raw:0<br>(deleted)"]',
    "  n1 --> n0",
    "  style n0 stroke-width:3px",
    "  classDef deleted stroke-dasharray:5 5",
    "  class n1 deleted",
  ];
  assert.is(mermaid, `${lines.join("\n")}\n`);
});

function graphOf(...refs: string[]): LineageGraph {
  const nodes = refs.map((ref, index) => {
    return { ref, name: ref.split(":")[0]!, version: 0, level: -index, deleted: false };
  });
  const edges = nodes.slice(1).map(({ ref }, index) => ({ from: ref, to: nodes[index]!.ref }));
  return { nodes, edges, complete: true };
}

test("a name can't leave its quotes, or be taken for markup", () => {
  const graph = graphOf('a"b\\:0', "x\\", "<b>&amp;#35;`\u202e", "end N");
  const dot = [...dotLines(graph)];
  assert.ok(dot.includes('  n0 [label="a\\"b\\\\:0", penwidth=2]'));
  assert.ok(dot.includes('  n1 [label="x\\\\"]'));
  assert.ok(dot.includes('  n2 [label="<b>&amp;amp;#35;`\\\\u202e"]'));
  const mermaid = [...mermaidLines(graph)];
  assert.ok(mermaid.includes('  n0["a#34;b#92;:0"]'));
  assert.ok(mermaid.includes('  n2["#60;b#62;#38;amp#59;#35;35#59;#96;#92;u202e"]'));
  assert.ok(mermaid.includes('  n3["end#32;N"]'));
});

test("a lineage of a thousand levels is cut where lines would be all indentation", () => {
  const graph = graphOf(...Array.from({ length: 1000 }, (_, index) => `a${index}:0`));
  const lines = [...treeLines(graph, ["up"])];
  assert.is(lines.length, 2 + 100);
  assert.ok(lines.at(-1)!.endsWith("└─ a100:0 (more: see --format json)"));
});

test("mistakes are usage errors, an artifact that is not there is not found", async ({ line }) => {
  await fill(line);
  for (const words of [
    ["model", "--format", "svg"],
    ["model", "--depth", "0"],
    ["model", "--depth", "all"],
    ["model", "--json", "--format", "dot"],
    ["model:x"],
    [],
  ]) {
    assert.is((await line.varve(["lineage", ...words])).exitCode, 2, words.join(" "));
  }
  assert.is((await line.varve(["lineage", "model", "--json", "--format", "json"])).exitCode, 0);
  assert.is((await line.varve(["lineage", "none"])).exitCode, 3);
});

test.run();
