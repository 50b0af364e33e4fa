import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseArguments } from "../../cli/parser.ts";
import { readPlainWords } from "../../cli/plain-words.ts";
import type { Verb } from "../../cli/verb.ts";
import { verbs } from "../../cli/verbs.ts";
import { Random } from "../helpers/random.ts";

const test = suite("plain words");

async function verbOf(name: string): Promise<Verb> {
  return (await verbs[name]!.load()).default;
}

test("where words are plain, yargs reads them alike", async () => {
  const random = new Random("plain words");
  const values = [
    "a",
    "b/c:3",
    "k=v",
    "x=1",
    "007",
    "1e3",
    "true",
    "false",
    "-",
    "-1",
    "",
    "--",
    "-x",
    "a b",
  ];
  let plainCount = 0;
  for (let round = 0; round < 1_500; round++) {
    const verb = await verbOf(Object.keys(verbs)[random.below(Object.keys(verbs).length)]!);
    const options = Object.entries({
      ...verb.options,
      home: { letter: undefined },
      json: { letter: undefined },
    });
    const words = Array.from({ length: random.below(6) }, () => {
      const [name, { letter }] = options[random.below(options.length)]!;
      if (random.below(2) === 0) return values[random.below(random.below(2) === 0 ? 7 : values.length)]!;
      return letter && random.below(2) === 0 ? `-${letter}` : `--${name}${random.below(9) === 0 ? "=v" : ""}`;
    });
    const plain = readPlainWords(verb, words);
    if (plain === undefined) continue;
    plainCount++;
    const told = `${verb.name} ${JSON.stringify(words)}`;
    const thorough = await parseArguments(verb, words).catch((error: Error) => error.message);
    assert.equal(plain, thorough, told);
  }
  assert.ok(plainCount > 150, `only ${plainCount} were plain`);
});

test("usual commands are plain", async () => {
  for (const words of [
    "list",
    "list iris/** --json --tag k=v --limit 3",
    "get iris/model@prod -o out --home dir",
    "save a file --tag k=v l=w --input x y --meta k=1",
    "delete a:0 b:1 --yes",
    "lineage a --up --depth 2",
  ]) {
    const [name, ...args] = words.split(" ");
    assert.ok(readPlainWords(await verbOf(name!), args), words);
  }
});

test("help, mistakes and what has more than one reading are left to yargs", async () => {
  for (const words of [
    "list --help",
    "list a b",
    "list --bogus",
    "list --limit",
    "list --limit 1 --limit 2",
    "list --json true",
    "list -- -a",
    "save a -",
    "save a --value -1",
    "save a --tag --json",
    "get",
    "get a -o=x",
    "list --__proto__ x",
  ]) {
    const [name, ...args] = words.split(" ");
    assert.is(readPlainWords(await verbOf(name!), args), undefined, words);
  }
});

test.run();
