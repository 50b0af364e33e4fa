import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VarveError } from "../../engine/errors.ts";
import type { Facts } from "../../engine/where/evaluate.ts";
import { holds } from "../../engine/where/evaluate.ts";
import { parseWhere } from "../../engine/where/parser.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { Random } from "../helpers/random.ts";

const test = suite("where");
const random = new Random("where");

const FACTS: Facts = {
  name: "iris/model",
  version: 3,
  size: 917,
  sequence: 12,
  createdAt: Date.parse("2026-11-24T10:00:00.123Z"),
  mediaType: "application/cbor",
  createdBy: "ada",
  digest: `sha256:${"ab".repeat(32)}`,
  tags: { stage: "dev", "odd key": "it's", in: "yes" },
  metadata: {
    accuracy: 0.97,
    kind: "forest",
    note: null,
    final: true,
    model: { depth: 3, "2024": { score: -1.5e3 } },
    layers: [1, 2],
    not: "x",
    ["__proto__"]: 1,
  },
};

const HOLDING = [
  "metadata.accuracy >= 0.9 and tags.stage = 'dev'",
  "name = 'iris/model'",
  'name = "iris/model"',
  "version=3 AND size>900 AND size<=917 and size != 918",
  "sequence = 12",
  "createdAt >= '2026-11-24' and createdAt < '2026-11-25'",
  "createdAt = '2026-11-24T10:00:00.123Z'",
  "createdAt = '2026-11-24 11:00:00.123+01:00'",
  "createdAt > '2026-11-24 10:00'",
  "mediaType = 'application/cbor' and createdBy = 'ada'",
  "digest glob 'sha256:ab*'",
  "name glob 'iris/*' and name glob '**/model' and name not glob '*'",
  "tags.stage in ('live', 'dev')",
  "version not in (1, 2)",
  "metadata.kind in (1, null, 'forest')",
  "metadata.note = null and metadata.note exists and metadata.nothing not exists",
  "metadata.final = true and metadata.final != FALSE",
  "metadata.model.depth = 3",
  'metadata.model."2024".score = -1.5E3',
  "metadata.model.'2024'.score < -.5",
  "metadata.model exists and metadata.layers exists",
  "tags.\"odd key\" = 'it\\'s'",
  "tags.in = 'yes' and metadata.not = 'x'",
  "metadata.__proto__ exists",
  "tags.stage = '\\u0064ev' and tags.stage = '\\u{64}ev'",
  "not version = 2 and not not version = 3",
  "version = 1 or version = 2 or version = 3",
  "version = 3 or version = 3 and version = 2",
  "(version = 3 or version = 3) and not (version = 2)",
  "  \n\tversion\n=\n3 ",
  "not metadata.depth = 3",
];

const FAILING = [
  "version = 2",
  "version = 3 and size = 1",
  "not version = 3",
  "metadata.accuracy = '0.97'",
  "metadata.accuracy != '0.97'",
  "metadata.kind > 1",
  "metadata.kind < 'a'",
  "metadata.nothing != 3",
  "metadata.nothing = null",
  "metadata.note != 3",
  "metadata.layers = 1",
  "metadata.layers.length exists",
  'metadata.layers."0" exists',
  "metadata.toString exists",
  "metadata.model.depth.x exists",
  "tags.constructor exists",
  "tags.stage in ('live')",
  "metadata.accuracy glob '*'",
  "(version = 3 or version = 2) and version = 2",
];

test("comparisons, lists, patterns and their joins hold where they should", () => {
  for (const text of HOLDING) assert.ok(holds(parseWhere(text), FACTS), `must hold: ${text}`);
});

test("what is absent, or of another type, never compares", () => {
  for (const text of FAILING) assert.not.ok(holds(parseWhere(text), FACTS), `must not hold: ${text}`);
});

const MISTAKES: [text: string, position: number, message: RegExp][] = [
  ["", 0, /expected a field, found the end/],
  ["metadata.accuracy >= and x", 21, /expected a value, found and/],
  ["metadata.accuracy >=", 20, /found the end/],
  ["age = 3", 0, /expected a field, found age/],
  ["name.x = 'a'", 4, /expected =, /],
  ["metadata = 1", 9, /`\.` and a key of metadata/],
  ["tags.a.b = 'x'", 6, /expected =, /],
  ["tags.", 5, /expected a key/],
  ["metadata.2024 = 1", 8, /expected `\.` and a key/],
  ["size = 'big'", 7, /expected a number, found 'big'/],
  ["size in (1, 'x')", 12, /expected a number/],
  ["name = 3", 7, /expected a text in quotes/],
  ["tags.a = true", 9, /expected a text in quotes/],
  ["createdAt > '2026-02-31'", 12, /not a date/],
  ["createdAt > '2026-13-01'", 12, /not a date/],
  ["createdAt > '2026-01-01T24:00'", 12, /not a date/],
  ["createdAt > 'yesterday'", 12, /not a date/],
  ["createdAt > 5", 12, /expected a date/],
  ["createdAt glob 'x'", 15, /is no text/],
  ["metadata.a < true", 13, /has no order/],
  ["metadata.a >= null", 14, /has no order/],
  ["metadata.a == 1", 12, /expected a value/],
  ["metadata.a in ()", 15, /expected a value/],
  ["metadata.a in (1", 16, /expected `,` or `\)`/],
  ["metadata.a in 1", 14, /expected `\(`/],
  ["metadata.a not = 1", 15, /expected `in`, `glob` or `exists`/],
  ["(version = 1", 12, /expected `\)`/],
  ["version = 1)", 11, /expected `and`, `or` or the end/],
  ["version = 1 version = 2", 12, /expected `and`, `or` or the end/],
  ["version = 1 and", 15, /expected a field/],
  ["name = 'abc", 7, /has no end/],
  ["name = 'a\\x'", 9, /no such escape/],
  ["name = '\\u{110000}'", 8, /no such escape/],
  ["name = 'a' & x", 11, /"&" has no meaning here/],
  ["name = 🐟", 7, /has no meaning here/],
  ["metadata.a = 12abc", 15, /a number ends here/],
  ["metadata.a = 1e999", 13, /too large/],
  ["name glob ''", 10, /a pattern in quotes/],
  ["size = 1 \n and\n siez = 2", 16, /expected a field, found siez/],
];

test("every mistake is told with its place, and shown by a caret", async () => {
  for (const [text, position, message] of MISTAKES) {
    const error = await failureWithHint(() => parseWhere(text), "INVALID_ARGUMENT");
    assert.equal(error.details, { position }, `${text}: ${error.message}`);
    assert.match(error.message, message);
    const [, line, caret] = error.message.split("\n");
    const pointed = line![caret!.indexOf("^")];
    const meant = text[position];
    assert.ok(pointed === meant || /\s|\p{Cs}/u.test(meant ?? " "), `${text}: ${error.message}`);
  }
});

test("the caret stays under its place in a long text", async () => {
  const text = `${"version = 1 and ".repeat(50)}oops = 1${" and version = 1".repeat(50)}`;
  const error = await failureWithHint(() => parseWhere(text), "INVALID_ARGUMENT");
  const [, line, caret] = error.message.split("\n");
  assert.ok(line!.length < 120);
  assert.is(line!.slice(caret!.indexOf("^")).slice(0, 4), "oops");
  assert.equal(error.details, { position: text.indexOf("oops") });
});

test("depth and length have limits", async () => {
  const nested = (depth: number) => `${"(".repeat(depth)}version = 3${")".repeat(depth)}`;
  assert.ok(holds(parseWhere(nested(100)), FACTS));
  const deep = await failureWithHint(() => parseWhere(nested(101)), "INVALID_ARGUMENT");
  assert.equal(deep.details, { position: 100 });
  await failureWithHint(() => parseWhere(`${"not ".repeat(101)}version = 3`), "INVALID_ARGUMENT");
  await failureWithHint(() => parseWhere("(".repeat(9_999)), "INVALID_ARGUMENT");
  await failureWithHint(() => parseWhere(" ".repeat(10_001)), "INVALID_ARGUMENT");
  assert.ok(holds(parseWhere(`${"version = 1 or ".repeat(600)}version = 3`), FACTS));
  for (const wrong of [3, null, {}, undefined]) {
    await failureWithHint(() => parseWhere(wrong), "INVALID_ARGUMENT");
  }
});

test("no text makes it throw anything but an error with a place inside the text", () => {
  const pieces = [
    ...["name", "version", "createdAt", "metadata", "tags", ".a", '."b c"', ".", "=", "!=", "<", ">=", "in"],
    ...["(", ")", ",", "not", "and", "or", "glob", "exists", "'x'", '"y"', "3", "-1.5", "true", "null"],
    ...["'2026-11-24'", "'", '"', "\\", "\u0000", "\n", "🐟", "\ud800", "1e999", "''", "{}", "--", "\u2028"],
  ];
  let understood = 0;
  for (let i = 0; i < 30_000; i++) {
    const count = 1 + random.below(12);
    const text = Array.from({ length: count }, () => pieces[random.below(pieces.length)]).join(
      random.below(3) === 0 ? "" : " ",
    );
    try {
      assert.type(holds(parseWhere(text), FACTS), "boolean");
      understood++;
    } catch (error) {
      assert.ok(error instanceof VarveError, `${JSON.stringify(text)} made it throw ${error}`);
      const { position } = error.details as { position: number };
      assert.ok(position >= 0 && position <= text.length, `${JSON.stringify(text)}: ${position}`);
      assert.ok(error.hint);
    }
  }
  assert.ok(understood > 0);
});

test("a valid text that is cut anywhere is wrong at its end or before, or still valid", () => {
  for (const text of HOLDING) {
    for (let end = 0; end < text.length; end++) {
      try {
        parseWhere(text.slice(0, end));
      } catch (error) {
        assert.instance(error, VarveError);
        assert.ok(((error as VarveError).details!.position as number) <= end);
      }
    }
  }
});

test.run();
