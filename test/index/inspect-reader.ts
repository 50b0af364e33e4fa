/** Uses environments whose file may be damaged, one for each line it is told; it may die of them. */
import { mkdirSync, readFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { Environment } from "../../engine/index/lmdb.ts";

const ALL = { start: Buffer.from([0]) };
const say = (document: object) => writeSync(1, `${JSON.stringify(document)}\n`);
const text = (bytes: Buffer | undefined) => bytes?.toString("latin1");

type Rows = Map<string, string>;

/** What is other than it was; undefined when nothing is. */
function difference(environment: Environment, rows: Rows): string | undefined {
  const found = [...environment.entries(ALL)];
  if (found.length !== rows.size) return `${found.length} rows instead of ${rows.size}`;
  for (const { key, value } of found)
    if (rows.get(text(key)!) !== text(value)) return `another row at ${text(key)}`;
  for (const [key, value] of rows)
    if (text(environment.get(Buffer.from(key, "latin1"))) !== value) return `another row found at ${key}`;
  const backwards = [...environment.entries({ start: Buffer.alloc(40, 0xff), reverse: true })];
  return backwards.length === rows.size ? undefined : `${backwards.length} rows backwards`;
}

/** Writes all over the tree, so that pages are freed and taken again. */
function write(environment: Environment, rows: Rows, round: number): void {
  environment.transactSync(() => {
    for (const [i, key] of [...rows.keys()].entries()) {
      if ((i * 7 + round * 3) % 11 !== 0) continue;
      if ((i + round) % 3 === 0) {
        environment.remove(Buffer.from(key, "latin1"));
        rows.delete(key);
      } else {
        const value = Buffer.alloc(((i * 37 + round) % 300) + (i % 50 === 0 ? 5000 : 0), 65 + round);
        environment.put(Buffer.from(key, "latin1"), value);
        rows.set(key, text(value)!);
      }
    }
  });
}

async function use(folder: string, rows: Rows): Promise<string | undefined> {
  const environment = new Environment(folder);
  let wrong = difference(environment, rows);
  for (let round = 0; round < 4 && !wrong; round++) {
    write(environment, rows, round);
    wrong = difference(environment, rows);
  }
  mkdirSync(`${folder}-copy`);
  try {
    await environment.copyTo(`${folder}-copy`);
  } catch (error) {
    // When pages are neither in use nor free.
    if (!String(error).includes("MDB_INCOMPATIBLE")) throw error;
  }
  await environment.close();
  return wrong;
}

say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const { folder, expected } = JSON.parse(line);
  try {
    say({ wrong: await use(folder, new Map(JSON.parse(readFileSync(expected, "utf8")))) });
  } catch (error) {
    say({ wrong: String(error).slice(0, 200) });
  }
}
process.exit(0);
