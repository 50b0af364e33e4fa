import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { inspectHead, inspectTree } from "../../engine/index/inspect.ts";
import { Environment } from "../../engine/index/lmdb.ts";
import type { PageKind } from "../crash/damage-index-kinds.ts";
import { pageKinds } from "../crash/damage-index-kinds.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { Random } from "../helpers/random.ts";
import {
  isSealed,
  isWhole,
  NEVER_MILLISECONDS,
  openEnvironment,
  PAGE,
  ROUNDS,
  sealed,
} from "./inspect-history.ts";

/** Damaged files of LMDB are noticed, and what is let pass does no harm. */
const test = suite("inspect: damage");
test.after.each(async () => {
  await killPrograms();
  removeFolders();
});

interface Sample {
  folder: string;
  path: string;
  bytes: Buffer;
  kinds: PageKind[];
}

/** A file with branch, leaf, overflow and free pages. */
async function sample(random: Random): Promise<Sample> {
  const folder = newFolder();
  const environment = openEnvironment(folder);
  const keyOf = (n: number) => Buffer.from(`\u0002name${n % 5}/${n}`.padEnd(n % 60, "y"));
  for (let t = 0; t < 25; t++)
    environment.transactSync(() => {
      for (let i = 0; i < (t === 0 ? 400 : 9); i++) {
        const key = keyOf(t === 0 ? i : random.below(400));
        if (t > 0 && random.next() < 0.3) environment.remove(key);
        else
          environment.put(
            key,
            sealed(key, Buffer.alloc(random.next() < 0.04 ? 9000 : 90, random.below(256))),
          );
      }
    });
  await environment.close();
  const path = join(folder, "data.mdb");
  const bytes = readFileSync(path);
  return { folder, path, bytes, kinds: pageKinds(bytes) };
}

function pageOf({ kinds }: Sample, kind: PageKind, random: Random): number {
  const pages = kinds.flatMap((found, page) => (found === kind ? [page] : []));
  assert.ok(pages.length > 0, `the sample has no ${kind} page`);
  return pages[random.below(pages.length)]!;
}

type Damage = (page: Buffer, random: Random, all: Buffer) => void;

const flip = (page: Buffer, at: number, random: Random) => {
  page[at]! ^= 1 << random.below(8);
};

const WHOLE_PAGES: Record<string, Damage> = {
  zeros: (page) => page.fill(0),
  ones: (page) => page.fill(0xff),
  garbage: (page, random) => random.bytes(PAGE).copy(page),
  "its second half lost": (page) => page.fill(0, PAGE / 2),
};

const PARTS: Record<string, Damage> = {
  ...WHOLE_PAGES,
  "another page": (page, random, all) => {
    const other = random.below(all.length / PAGE) * PAGE;
    all.copy(page, 0, other, other + PAGE);
  },
  "a bit": (page, random) => flip(page, random.below(PAGE), random),
  "a bit of the header": (page, random) => flip(page, random.below(24), random),
  "a bit of the pointers": (page, random) => flip(page, 24 + random.below(40), random),
  "a bit of the end": (page, random) => flip(page, PAGE - 1 - random.below(200), random),
  "a byte": (page, random) => {
    page[random.below(PAGE)] = random.below(256);
  },
  "some bits": (page, random) => {
    for (let i = 0; i < 5; i++) flip(page, random.below(PAGE), random);
  },
  "a sector": (page, random) => {
    const at = random.below(8) * 512;
    page.fill(0, at, at + 512);
  },
};

const KINDS: PageKind[] = ["meta", "branch", "leaf", "overflow", "freelist"];

test("notices pages that are lost, by every kind of page", async () => {
  const random = new Random("inspect: lost pages");
  const found = await sample(random);
  isWhole(found.path, "before");
  for (const kind of KINDS)
    for (const [what, damage] of Object.entries(WHOLE_PAGES)) {
      if (kind === "meta" && what.includes("half")) continue;
      const bytes = Buffer.from(found.bytes);
      const page = pageOf(found, kind, random);
      damage(bytes.subarray(page * PAGE, (page + 1) * PAGE), random, found.bytes);
      writeFileSync(found.path, bytes);
      assert.type(inspectTree(found.path, isSealed), "string", `${what} over ${kind} page ${page}`);
      if (kind === "meta") assert.type(inspectHead(found.path), "string", `${what} over meta ${page}`);
    }
});

const HEADER = 24;

/** Where a node of a page lies. */
const nodeAt = (page: Buffer, i: number) => HEADER + page.readUInt16LE(HEADER + i * 2);

const swap = (page: Buffer, a: number, b: number, bytes: number) => {
  const kept = Buffer.from(page.subarray(a, a + bytes));
  page.copy(page, a, b, b + bytes);
  kept.copy(page, b);
};

/** What LMDB would believe, by the kind of page and what is changed. */
const LIES: [kind: PageKind, what: string, lie: (page: Buffer, all: Buffer) => void][] = [
  ["meta", "a later transaction", (page) => page.writeUInt32LE(page.readUInt32LE(152) + 4, 152)],
  ["meta", "another size of pages", (page) => page.writeUInt32LE(8192, 48)],
  ["meta", "flags of the rows", (page) => page.writeUInt16LE(4, 100)],
  ["meta", "a root that is no page", (page) => page.writeUInt32LE(1e6, 136)],
  ["meta", "a far last page", (page) => page.writeUInt32LE(1e6, 144)],
  ["branch", "pages below in another order", (page) => swap(page, nodeAt(page, 1), nodeAt(page, 2), 6)],
  [
    "branch",
    "the same page below twice",
    (page) => page.copy(page, nodeAt(page, 1), nodeAt(page, 2), nodeAt(page, 2) + 6),
  ],
  ["branch", "a key before what is below it", (page) => page.writeUInt8(1, nodeAt(page, 1) + 8)],
  ["branch", "a key behind what is below it", (page) => page.writeUInt8(0xff, nodeAt(page, 1) + 8)],
  ["leaf", "keys in another order", (page) => swap(page, HEADER, HEADER + 2, 2)],
  ["leaf", "the same node twice", (page) => page.copy(page, HEADER, HEADER + 2, HEADER + 4)],
  ["leaf", "a node less", (page) => page.writeUInt16LE(page.readUInt16LE(20) - 2, 20)],
  ["leaf", "more free space", (page) => page.writeUInt16LE(page.readUInt16LE(22) - 2, 22)],
  ["leaf", "a value that goes over its end", lengthenLast],
  ["leaf", "flags of a node", (page) => page.writeUInt16LE(2, nodeAt(page, 0) + 4)],
  ["leaf", "the number of another page", (page) => page.writeUInt32LE(page.readUInt32LE(0) + 1, 0)],
  ["leaf", "a transaction that is to come", (page) => page.writeUInt8(1, 12)],
  [
    "leaf",
    "another key in the same order",
    (page) => {
      const node = nodeAt(page, 0);
      const last = node + 8 + page.readUInt16LE(node + 6) - 1;
      page.writeUInt8(page[last]! ^ 1, last);
    },
  ],
  ["overflow", "another count of pages", (page) => page.writeUInt32LE(page.readUInt32LE(20) + 1, 20)],
  ["overflow", "another value", (page) => page.writeUInt8(page[2000]! ^ 1, 2000)],
  [
    "freelist",
    "a page that is in use",
    (page, all) => page.writeUInt32LE(all.readUInt32LE(136), wordOfFreePage(page)),
  ],
  ["freelist", "a page behind the last one", (page) => page.writeUInt32LE(1e6, wordOfFreePage(page))],
  ["freelist", "a run over pages in use", (page) => page.writeBigInt64LE(-20n, wordOfFreePage(page) - 8)],
];

/** What only the rows themselves tell. */
const LIES_OF_ROWS = ["another key in the same order", "another value"];

/** The value at the end of the page becomes longer. */
function lengthenLast(page: Buffer): void {
  const nodes = Array.from({ length: page.readUInt16LE(20) / 2 }, (_, i) => nodeAt(page, i));
  const last = Math.max(...nodes);
  page.writeUInt32LE(page.readUInt32LE(last) + 2, last);
}

/** The last word of the last list of free pages in a leaf, whose list has at least two. */
function wordOfFreePage(page: Buffer): number {
  const node = nodeAt(page, page.readUInt16LE(20) / 2 - 1);
  const count = page.readUInt32LE(node + 16);
  assert.ok(count >= 2, "the sample has no list of free pages");
  return node + 16 + count * 8;
}

test("notices each lie of a page by itself", async () => {
  const random = new Random("inspect: lies");
  const found = await sample(random);
  const newest = found.bytes.readUInt32LE(152) > found.bytes.readUInt32LE(PAGE + 152) ? 0 : 1;
  for (const [kind, what, lie] of LIES) {
    const page = kind === "meta" ? newest : pageOf(found, kind, random);
    const bytes = Buffer.from(found.bytes);
    lie(bytes.subarray(page * PAGE, (page + 1) * PAGE), found.bytes.subarray(newest * PAGE));
    writeFileSync(found.path, bytes);
    const problem = inspectTree(found.path, isSealed);
    assert.type(problem, "string", `${what} in ${kind} page ${page}`);
    if (!LIES_OF_ROWS.includes(what)) assert.type(inspectTree(found.path), "string", what);
  }
});

test("notices a file that was cut where its pages are in use", async () => {
  const random = new Random("inspect: cuts");
  const found = await sample(random);
  const last = found.kinds.findLastIndex((kind) => kind !== "unused");
  for (let n = 0; n < 40; n++) {
    const size = n < 2 ? last * PAGE + n : random.below((last + 1) * PAGE);
    writeFileSync(found.path, found.bytes.subarray(0, n % 4 < 2 ? size : size - (size % PAGE)));
    assert.type(inspectHead(found.path), "string", `cut to ${size}`);
    assert.type(inspectTree(found.path), "string", `cut to ${size}`);
  }
});

test("what it lets pass of random damage does no harm", async () => {
  const random = new Random("inspect: damage");
  const passed: Record<string, number> = {};
  let reader: Program | undefined;
  for (let n = 0; n < 3 * ROUNDS; n++) {
    const found = await sample(random);
    const expected = join(newFolder(), "expected.json");
    writeFileSync(expected, JSON.stringify(await rowsOf(found)));
    for (const kind of KINDS)
      for (const [what, damage] of Object.entries(PARTS)) {
        const bytes = Buffer.from(found.bytes);
        const page = pageOf(found, kind, random);
        damage(bytes.subarray(page * PAGE, (page + 1) * PAGE), random, found.bytes);
        const folder = newFolder();
        writeFileSync(join(folder, "data.mdb"), bytes);
        if (inspectTree(join(folder, "data.mdb"), isSealed) !== undefined) continue;
        passed[kind] = (passed[kind] ?? 0) + 1;
        reader ??= await startedReader();
        reader.tell(JSON.stringify({ folder, expected }));
        const said = await soon(reader);
        rmSync(`${folder}-copy`, { recursive: true, force: true });
        assert.equal(said, {}, `${what} in ${kind} page ${page}`);
      }
  }
  assert.ok(Object.keys(passed).length > 0, "bytes that nobody reads may be damaged");
});

async function startedReader(): Promise<Program> {
  const reader = new Program("../index/inspect-reader.ts", []);
  await reader.expect();
  return reader;
}

async function rowsOf({ folder }: Sample): Promise<[string, string][]> {
  const environment = new Environment(folder);
  const rows = [...environment.entries({ start: Buffer.from([0]) })].map(
    ({ key, value }): [string, string] => [key.toString("latin1"), value.toString("latin1")],
  );
  await environment.close();
  return rows;
}

/** What it says; when it ends or hangs instead, so. */
async function soon(program: Program): Promise<object> {
  const timer = setTimeout(() => program.process.kill("SIGKILL"), NEVER_MILLISECONDS);
  const said = await program.next();
  clearTimeout(timer);
  return said ?? { ended: program.errors.slice(-200) };
}

test.run();
