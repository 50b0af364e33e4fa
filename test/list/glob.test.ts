import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseGlob } from "../../engine/glob.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { Random } from "../helpers/random.ts";

const test = suite("glob");
const random = new Random("glob");

/** What a pattern means, as a regular expression. */
function expected(pattern: string, text: string): boolean {
  const source = pattern
    .split(/((?<=^|\/)\*{2,}\/|\*{2,}|\*)/)
    .map((part) => {
      if (/^\*{2,}\/$/.test(part)) return "(?:.*/)?";
      if (part.startsWith("**")) return ".*";
      return part === "*" ? "[^/]*" : part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
    })
    .join("");
  return new RegExp(`^${source}$`, "s").test(text);
}

const CASES: [pattern: string, matching: string[], others: string[]][] = [
  ["a", ["a"], ["b", "a/b", "aa", ""]],
  ["*", ["a", "abc"], ["a/b"]],
  ["a/*", ["a/b", "a/bcd"], ["a", "a/b/c", "b/a"]],
  ["**", ["a", "a/b/c"], []],
  ["a/**", ["a/b", "a/b/c"], ["a", "b/a"]],
  ["**/model", ["model", "a/model", "a/b/model"], ["a/models", "amodel"]],
  ["a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "a/b/c"]],
  ["a**/b", ["a/b", "ax/b", "ax/y/b"], ["ab", "b"]],
  ["*.csv", [".csv", "a.csv"], ["a/b.csv", "acsv", "a.csv.gz"]],
  ["**/**/x", ["x", "a/x", "a/b/x"], ["ax"]],
  ["a*b*c", ["abc", "aXbYc"], ["ab", "a/bc"]],
  ["[a]?+(b)", ["[a]?+(b)"], ["a", "ab"]],
  ["ü/*", ["ü/é"], ["u/e"]],
];

for (const [pattern, matching, others] of CASES) {
  test(`${pattern} finds ${matching.join(" ")}`, () => {
    const { matches } = parseGlob(pattern);
    for (const text of matching) assert.ok(matches(text), `${pattern} must find ${text}`);
    for (const text of others) assert.not.ok(matches(text), `${pattern} must not find ${text}`);
  });
}

test("every matching text begins with the prefix, and without a star nothing else matches", () => {
  assert.is(parseGlob("iris/mo*l").prefix, "iris/mo");
  assert.is(parseGlob("iris/mo*l").exact, false);
  assert.equal([parseGlob("iris").prefix, parseGlob("iris").exact], ["iris", true]);
});

test("random patterns mean what a regular expression says", () => {
  const word = (letters: string, length: number) =>
    Array.from({ length: random.below(length) }, () => letters[random.below(letters.length)]).join("");
  for (let i = 0; i < 20_000; i++) {
    const pattern = word("ab/**", 9) || "*";
    const text = word("ab/", 9);
    assert.is(parseGlob(pattern).matches(text), expected(pattern, text), `${pattern} on ${text}`);
  }
});

test("patterns that make a backtracking matcher hang are answered", () => {
  const text = `${"a".repeat(500)}b`;
  assert.is(parseGlob(`${"a*".repeat(100)}c`).matches(text), false);
  assert.is(parseGlob(`${"**a".repeat(100)}c`).matches(text), false);
  assert.is(parseGlob(`${"**/".repeat(100)}c`).matches("a/".repeat(250)), false);
  assert.is(parseGlob("**".repeat(1000)).matches(text), true);
});

test("what is no pattern is refused", async () => {
  for (const pattern of ["", 3, null, {}, Object.create(null), "a".repeat(3_000)]) {
    await failureWithHint(() => parseGlob(pattern), "INVALID_ARGUMENT");
  }
});

test.run();
