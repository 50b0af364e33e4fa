import { suite } from "uvu";
import * as assert from "uvu/assert";
import { capabilityRows } from "../../adapters/capabilities.ts";
import { fencesOf, readDocument, tableBelow } from "./documents.ts";
import { InstalledPackage } from "./installed-package.ts";
import { MLFLOW_TOUR } from "./mlflow-tour.ts";
import { masked, runTour, stepsOf } from "./tour.ts";

const readme = readDocument("README.md");
const fences = fencesOf(readme);
const test = suite("README");
let installed: InstalledPackage;

test.before(async () => {
  installed = await InstalledPackage.install();
});
test.after(() => installed?.remove());

test("each program prints what stands below it, from the installed package", async () => {
  installed.enter("programs");
  // That of MLflow has a test of its own.
  const outputs = fences.filter(({ language }) => language === "text").map(({ name }) => name);
  const programs = fences.filter(({ language, name }) => language === "js" && outputs.includes(name));
  assert.is(programs.length, 3);
  for (const { name, text } of programs) {
    installed.write(name, text);
    const expected = fences.find((fence) => fence.language === "text" && fence.name === name)!.text;
    assert.equal(await installed.node(name), { exitCode: 0, output: expected });
  }
  const again = await installed.node("first.mjs");
  assert.match(again.output, /^line\/model:1 /, "a second run saves a second version");
});

test("each command of the tours prints what stands below it", async () => {
  const tours = fences.filter(({ language, name }) => language === "console" && name !== MLFLOW_TOUR);
  assert.is(tours.length, 4);
  const mask = ({ command, output }: { command: string; output: string }) =>
    `$ ${command}\n${masked(output)}`;
  for (const { name, text } of tours) {
    const steps = stepsOf(text);
    assert.ok(steps.length > 10);
    assert.is((await runTour(steps, installed, name)).map(mask).join(""), steps.map(mask).join(""));
  }
});

test("the table of values says what the codec's document says", () => {
  const ofCodec = tableBelow(readDocument("engine/codec/README.md"), "## Kept or refused");
  assert.equal(tableBelow(readme, "## What is kept, what is refused"), ofCodec);
});

test("what a store can do is what the document on adapters says", () => {
  const told = tableBelow(readDocument("adapters/README.md"), "## What a store can do");
  assert.equal(told, capabilityRows().slice(1));
});

test("the table of errors has every code", () => {
  const codes = [...readDocument("engine/errors.ts").matchAll(/^ {2}\| "([A-Z_]+)"/gm)].map(
    ([, code]) => code,
  );
  const told = tableBelow(readme, "## Errors").map(([code]) => code!.replaceAll("`", ""));
  assert.equal(told, codes);
});

test("commands for npm are those of package.json", () => {
  const { scripts, name, version } = JSON.parse(readDocument("package.json"));
  const documents = [...fences, ...fencesOf(readDocument("CONTRIBUTING.md"))];
  const lines = documents
    .filter(({ language }) => language === "sh")
    .flatMap(({ text }) => text.trim().split("\n"));
  assert.ok(lines.length > 3);
  for (const command of lines.flatMap((line) => line.replace(/ +#.*/, "").split(" && "))) {
    const script = /^npm (?:run )?(test|[a-z]+)( -- .*)?$/.exec(command)?.[1];
    const known =
      command === "npm ci" ||
      command === `npm i /path/to/${name}-${version}.tgz` ||
      (script !== undefined && Object.hasOwn(scripts, script));
    assert.ok(known, `unknown command in a document: ${command}`);
  }
});

test.run();
