import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CommandLine, documentsOf, errorOf } from "../helpers/command-line.ts";

const test = suite<{ line: CommandLine }>("varve save and get");

test.before.each(async (context) => {
  context.line = await CommandLine.inNewFolder();
});
test.after.each(({ line }) => line.remove());

test("save prints the ref of each new version, and makes the store", async ({ line }) => {
  assert.equal(await line.varve(["save", "a/b", "--value", "1"]), {
    exitCode: 0,
    stdout: "a/b:0\n",
    stderr: "",
    bytes: Buffer.from("a/b:0\n"),
  });
  assert.is((await line.varve(["save", "a/b", "--value", "2"])).stdout, "a/b:1\n");
});

test("save --json gives the artifact, its fields named as in the library", async ({ line }) => {
  await line.varve(["save", "from", "--value", "1"]);
  const code = join(line.folder, "train.ts");
  writeFileSync(code, "export {};\n");
  const words = [
    "--input",
    "from:0",
    "--tag",
    "stage=dev",
    "of=a=b",
    "--meta",
    "k=3",
    'm={"deep":[1]}',
    "--code",
    code,
  ];
  const [artifact] = documentsOf(await line.varve(["save", "to", "--value", "[1]", "--json", ...words]));
  assert.is(artifact.ref, "to:0");
  assert.match(artifact.digest, /^sha256:[0-9a-f]{64}$/);
  assert.match(artifact.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(artifact.inputs, ["from:0"]);
  assert.equal(artifact.tags, { stage: "dev", of: "a=b" });
  assert.equal(artifact.metadata, { k: 3, m: { deep: [1] } });
  assert.is(artifact.deleted, false);
});

test("a file comes back byte for byte, under the digest that sha256sum gives", async ({ line }) => {
  const bytes = Buffer.from([0, 1, 2, 0xff, 0x0a, 0x0d, 0x80]);
  const file = join(line.folder, "in.bin");
  writeFileSync(file, bytes);
  const saved = await line.varve(["save", "file", file, "--media-type", "application/x-test", "--json"]);
  const [artifact] = documentsOf(saved);
  assert.is(artifact.digest, `sha256:${createHash("sha256").update(bytes).digest("hex")}`);
  assert.is(artifact.mediaType, "application/x-test");
  assert.equal((await line.varve(["get", "file"])).bytes, bytes);
  assert.equal((await line.varve(["get", "file", "--raw"])).bytes, bytes);
  const output = join(line.folder, "out.bin");
  assert.is((await line.varve(["get", "file", "-o", output])).stdout, "");
  assert.equal(readFileSync(output), bytes);
});

test("stdin is saved as bytes", async ({ line }) => {
  const bytes = Buffer.from([0xc3, 0x28, 0]);
  await line.varve(["save", "stdin", "-"], { stdin: bytes });
  assert.equal((await line.varve(["get", "stdin"])).bytes, bytes);
  assert.equal(documentsOf(await line.varve(["get", "stdin", "--json"])), [
    { $bytes: bytes.toString("base64") },
  ]);
});

test("a file of a megabyte comes back whole", async ({ line }) => {
  const bytes = Buffer.alloc(1_500_000, "0123456789");
  await line.varve(["save", "large", "-"], { stdin: bytes });
  assert.ok((await line.varve(["get", "large"])).bytes.equals(bytes));
});

test("a value is written as JSON: indented for people, on one line with --json", async ({ line }) => {
  await line.varve(["save", "value", "--value", '{"b":1,"a":["x"]}']);
  assert.is((await line.varve(["get", "value"])).stdout, '{\n  "b": 1,\n  "a": [\n    "x"\n  ]\n}\n');
  assert.is((await line.varve(["get", "value", "--json"])).stdout, '{"b":1,"a":["x"]}\n');
});

test("get | save --value-file - gives the same digest, for what JSON lacks too", async ({ line }) => {
  const value = String.raw`{"n":[{"$number":"NaN"},{"$number":"-0"},{"$number":"-Infinity"},-0,1e300],
    "big":{"$bigint":"-123456789012345678901234567890"},"date":{"$date":"2026-11-24T10:00:00.123Z"},
    "map":{"$map":[[{"$set":[1,"x"]},{"$undefined":true}]]},"bytes":{"$bytes":"AAH/"},
    "floats":{"$typed":["Float32Array","AACAPw=="]},"$$ref":{"$$$":1},"__proto__":{"polluted":true},
    "lone":"\ud800","10":1,"2":2,"bare":{"$bare":{"toString":1}}}`;
  const [first] = documentsOf(await line.varve(["save", "first", "--value", value, "--json"]));
  const json = (await line.varve(["get", "first"])).stdout;
  const [second] = documentsOf(
    await line.varve(["save", "second", "--value-file", "-", "--json"], { stdin: json }),
  );
  assert.is(second.digest, first.digest);
  const file = join(line.folder, "value.json");
  await line.varve(["get", "first", "-o", file]);
  const [third] = documentsOf(await line.varve(["save", "third", "--value-file", file, "--json"]));
  assert.is(third.digest, first.digest);
});

test("--raw gives the stored bytes of a value, whose digest is the artifact's", async ({ line }) => {
  const [artifact] = documentsOf(await line.varve(["save", "v", "--value", '{"k":3}', "--json"]));
  const { bytes } = await line.varve(["get", "v", "--raw"]);
  assert.is(`sha256:${createHash("sha256").update(bytes).digest("hex")}`, artifact.digest);
  assert.is((await line.varve(["get", "v", "--raw", "--json"])).exitCode, 2);
});

test("refs name the latest version, a number or an alias", async ({ line }) => {
  for (const value of ["10", "11", "12"]) await line.varve(["save", "n", "--value", value]);
  await line.varve(["alias", "n:0", "first"]);
  for (const [ref, value] of [
    ["n", "12"],
    ["n:latest", "12"],
    ["n:1", "11"],
    ["n@first", "10"],
  ] as const) {
    assert.is((await line.varve(["get", ref])).stdout, `${value}\n`);
  }
});

test("get -o replaces a file, writes through a link, refuses a folder, and leaves no temporary file", async ({
  line,
}) => {
  await line.varve(["save", "v", "--value", '"text"']);
  const [file, link, folder] = ["file", "link", "folder"].map((name) => join(line.folder, "out", name));
  mkdirSync(folder!, { recursive: true });
  writeFileSync(file!, "old and longer than what is new");
  symlinkSync(file!, link!);
  await line.varve(["get", "v", "-o", link!]);
  assert.is(readFileSync(file!, "utf8"), '"text"\n');
  assert.is((await line.varve(["get", "v", "-o", folder!])).exitCode, 2);
  assert.is((await line.varve(["get", "v", "-o", join(line.folder, "no", "folder")])).exitCode, 1);
  assert.equal(readdirSync(join(line.folder, "out")).sort(), ["file", "folder", "link"]);
});

test("get -o writes into a pipe instead of replacing it", async ({ line }) => {
  await line.varve(["save", "v", "--value", "1"]);
  await line.varve(["save", "b", "-"], { stdin: "bytes" });
  const pipe = join(line.folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  // Opened without waiting for a writer: a command that doesn't write fails the test instead of stopping it.
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    for (const [ref, text] of [
      ["v", "1\n"],
      ["b", "bytes"],
    ] as const) {
      assert.is((await line.varve(["get", ref, "-o", pipe])).exitCode, 0);
      assert.is(readFileSync(reader, "utf8"), text);
    }
  } finally {
    closeSync(reader);
  }
});

test("on a terminal bytes that could drive it are refused, unless -o - says so", async ({ line }) => {
  const bytes = Buffer.from("\u001b[2Jcleared");
  await line.varve(["save", "b", "-"], { stdin: bytes });
  await line.varve(["save", "t", "-"], { stdin: "plain text\n" });
  const refused = await line.varve(["get", "b"], { terminal: ["stdout"] });
  assert.is(refused.exitCode, 2);
  assert.is(refused.stdout, "");
  assert.equal((await line.varve(["get", "b", "-o", "-"], { terminal: ["stdout"] })).bytes, bytes);
  assert.is((await line.varve(["get", "t"], { terminal: ["stdout"] })).stdout, "plain text\n");
});

test("--if-version saves only over the version that was expected", async ({ line }) => {
  const save = (version: string) =>
    line.varve(["save", "v", "--value", "1", "--if-version", version, "--json"]);
  assert.is((await save("absent")).exitCode, 0);
  const late = await save("absent");
  assert.is(late.exitCode, 4);
  assert.is(errorOf(late).code, "CONFLICT");
  assert.is((await save("0")).exitCode, 0);
  assert.is((await save("0")).exitCode, 4);
  assert.is((await save("first")).exitCode, 2);
});

test("mistakes in the command exit with 2 and make no store", async ({ line }) => {
  for (const words of [
    ["save"],
    ["save", "v"],
    ["save", "v", "file", "--value", "1"],
    ["save", "v", "--value", "{bad"],
    ["save", "v", "--value", "1", "--tag", "noequals"],
    ["save", "v", "--value", "1", "--meta", "k=notjson"],
    ["save", "v", "--value", "1", "--media-type", "text/plain"],
    ["save", "v", "--value", '{"$unknown":1}'],
    ["save", "v", "--value", "12345678901234567890"],
    ["save", "v", "--value-file", "-"],
  ]) {
    const { exitCode, stdout, stderr } = await line.varve(words);
    assert.is(exitCode, 2, words.join(" "));
    assert.is(stdout, "");
    assert.match(stderr, /^varve: /);
  }
  assert.not(existsSync(line.home));
});

test("a name that is none exits with 2, an input that is not there with 3", async ({ line }) => {
  assert.is((await line.varve(["save", "a:b", "--value", "1"])).exitCode, 2);
  assert.is((await line.varve(["save", "a", "--value", "1", "--input", "none:0"])).exitCode, 3);
});

test("text that is no UTF-8 is refused as JSON", async ({ line }) => {
  const { exitCode, stderr } = await line.varve(["save", "v", "--value-file", "-"], {
    stdin: Buffer.from([0x22, 0xff, 0x22]),
  });
  assert.is(exitCode, 2);
  assert.match(stderr, /not UTF-8/);
});

test("get exits with 3 for what is not there", async ({ line }) => {
  await line.varve(["init"]);
  const outcome = await line.varve(["get", "none", "--json"]);
  assert.is(outcome.exitCode, 3);
  assert.is(outcome.stdout, "");
  assert.is(errorOf(outcome).code, "NOT_FOUND");
});

test.run();
