import { suite } from "uvu";
import * as assert from "uvu/assert";
import { copyOf } from "../../adapters/metadata/dialects/postgresql-copy.ts";
import { openMetadata } from "../../adapters/metadata/open.ts";
import { save, unit } from "../conformance/metadata-support.ts";
import "../helpers/whole-suites.ts";
import { ask, hasService, newDatabase, urlOf } from "../services/services.ts";
import { endAll, openTest, servicePlace, WRITABLE } from "./support.ts";

const NAME = "metadata: rows that PostgreSQL copies";
const test = suite(NAME);
test.after.each(endAll);

/** As `copy … binary` reads it. */
function read(data: Buffer): (Buffer | null)[][] {
  assert.is(data.toString("latin1", 0, 11), "PGCOPY\n\xff\r\n\0");
  assert.equal([data.readInt32BE(11), data.readInt32BE(15)], [0, 0]);
  const rows: (Buffer | null)[][] = [];
  let at = 19;
  for (let count = data.readInt16BE(at); count >= 0; count = data.readInt16BE(at)) {
    at += 2;
    const row: (Buffer | null)[] = [];
    for (let i = 0; i < count; i++) {
      const length = data.readInt32BE(at);
      at += 4;
      row.push(length < 0 ? null : data.subarray(at, at + length));
      at += Math.max(0, length);
    }
    rows.push(row);
  }
  assert.is(at + 2, data.length);
  return rows;
}

const columns = [
  { name: "text", kind: "text" },
  { name: "number", kind: "number" },
  { name: "small", kind: "small" },
  { name: "bytes", kind: "bytes" },
] as const;

const TEXTS = ["", "plain", "ü", "a text that is longer than a loop is fast", "𝄞".repeat(20), "né".repeat(9)];

test("each value is as long as its bytes, and may be missing, in any order of the row", () => {
  const numbers = [0, -1, 2 ** 31, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];
  const rows = TEXTS.map((text, i) => ({
    small: i % 2,
    bytes: i === 1 ? null : new Uint8Array([i, 255]),
    number: numbers[i],
    text: i === 2 ? null : text,
  }));
  const { sql, data } = copyOf("a_table", columns, rows);
  assert.is(sql, 'copy a_table ("text", "number", "small", "bytes") from stdin binary');
  assert.equal(
    read(Buffer.from(data)).map(([text, number, small, bytes]) => [
      text?.toString() ?? null,
      Number(number!.readBigInt64BE()),
      small!.readInt16BE(),
      bytes && [...bytes],
    ]),
    rows.map(({ text, number, small, bytes }) => [text, number, small, bytes && [...bytes]]),
  );
});

test("rows may be longer than they usually are", () => {
  const rows = Array.from({ length: 5 }, (_, i) => ({ text: `${i}`.repeat(10_000 * i), number: i }));
  const { data } = copyOf("a_table", columns.slice(0, 2), rows);
  assert.equal(
    read(Buffer.from(data)).map(([text]) => text!.toString()),
    rows.map(({ text }) => text),
  );
});

if (hasService("postgresql", NAME)) {
  test("what is copied is what is written one by one", async () => {
    const odd = (i: number) => ({
      tags: { text: TEXTS[i % TEXTS.length]!, 'it"s\\': String(i % 7) },
      metadata: i % 5 === 0 ? { large: "x".repeat(50_000), zero: "\0" } : { nested: { i }, none: null },
    });
    const units = Array.from({ length: 260 }, (_, i) => unit([save(`odd/${TEXTS[i % 6]}/${i}`, odd(i))]));
    const [together, single] = [await servicePlace("postgresql"), await servicePlace("postgresql")];
    const writers = [await openTest(together.url, WRITABLE), await openTest(single.url, WRITABLE)] as const;
    const results = [await writers[0].commit(units), []] as unknown[][];
    for (const each of units) results[1]!.push(...(await writers[1].commit([each])));
    assert.equal(results[0], results[1]);
    const read = async (url: string) => {
      const store = await openMetadata(url, WRITABLE);
      const operations = [];
      for await (const operation of store.operations(0)) operations.push(operation);
      const versions = await Promise.all(operations.map(({ name }) => store.at(name, 0)));
      const problems = await store.check();
      await store.close();
      return { operations, versions, problems };
    };
    const [copied, written] = [await read(together.url), await read(single.url)];
    assert.is(copied.operations.length, units.length);
    assert.equal(copied.problems, []);
    assert.equal(copied, written);
  });

  test("where rows can't be copied they are inserted", async () => {
    const database = await newDatabase("postgresql");
    await (await openTest(database.url, WRITABLE)).close();
    const run = (sql: string) => ask("postgresql", database, sql);
    const role = `${database.database}_user`;
    await run(
      `create role ${role} login password 'p'; grant all on all tables in schema public to ${role};` +
        " alter table varve_versions enable row level security;" +
        " create policy everything on varve_versions using (true) with check (true)",
    );
    const store = await openTest(urlOf(database, role, "p"), WRITABLE);
    for (const round of [0, 1]) {
      const results = await store.commit(
        Array.from({ length: 260 }, (_, i) => unit([save(`${round}/${i}`)])),
      );
      assert.equal(
        results.filter((result) => result instanceof Error),
        [],
      );
    }
    assert.is((await store.counts()).versions, 520);
    assert.equal(await store.check(), []);
    await store.close();
    await run(`drop owned by ${role}; drop role ${role}`);
    await database.drop();
  });
}

test.run();
