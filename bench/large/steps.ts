/** What the child processes of the benchmark of large values do. */

import { createHash, randomFillSync } from "node:crypto";
import {
  closeSync,
  createReadStream,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { packageLoader } from "../../cli/bench/packages.ts";
import { randomFrom } from "../../cli/bench/values.ts";
import { loadLibrary } from "../../cli/library.ts";
import type { LargeTask } from "../task.ts";
import type { LargeFigures, LargeStep } from "./figures.ts";

const PIECE_BYTES = 1024 * 1024;
const FIXED_BYTES = 64 * 1024;
const ROW_BYTES = 100;
/** One row of so many is edited. */
const ROWS_PER_EDIT = 100;
const FILE_BYTES = 1024;
const FILES_PER_FOLDER = 1_000;
const CHANGED_FILES = 10;
/** cacache opens several files for each, of which a process may have so many. */
const CACACHE_AT_ONCE = 32;

interface Cacache {
  put: ((cache: string, key: string, data: Buffer) => Promise<unknown>) & {
    stream(cache: string, key: string): NodeJS.WritableStream;
  };
}

type Step = (task: LargeTask) => Promise<LargeFigures>;
type Store = Awaited<ReturnType<Awaited<ReturnType<typeof loadLibrary>>["openStore"]>>;

const fileOf = ({ folder }: LargeTask) => join(folder, "value.bin");
const treeOf = ({ folder }: LargeTask) => join(folder, "tree");
const seconds = (begin: number) => (performance.now() - begin) / 1_000;

async function timed(action: () => Promise<unknown> | unknown): Promise<LargeFigures> {
  const idle = process.memoryUsage().rss;
  const begin = performance.now();
  await action();
  const taken = seconds(begin);
  return { seconds: taken, memory: process.resourceUsage().maxRSS * 1024 - idle };
}

/** Opened and warm, so that what is measured is the work. */
async function withStore<T>({ folder }: LargeTask, action: (store: Store) => Promise<T>): Promise<T> {
  const { openStore } = await loadLibrary();
  const store = await openStore({ home: join(folder, "home"), environment: false });
  try {
    return await action(store);
  } finally {
    await store.close();
  }
}

async function cacache(): Promise<Cacache> {
  return ((await packageLoader(process.cwd())("cacache")) as { default: Cacache }).default;
}

function* piecesOf(path: string): Generator<Buffer> {
  const file = openSync(path, "r");
  try {
    for (const piece = Buffer.allocUnsafe(PIECE_BYTES); ; ) {
      const length = readSync(file, piece);
      if (length === 0) return;
      yield piece.subarray(0, length);
    }
  } finally {
    closeSync(file);
  }
}

function writeAll(path: string, pieces: Iterable<Uint8Array>): void {
  const file = openSync(path, "w");
  try {
    for (const piece of pieces) writeSync(file, piece);
    fdatasyncSync(file);
  } finally {
    closeSync(file);
  }
}

export function* randomPieces(bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= PIECE_BYTES)
    yield randomFillSync(Buffer.allocUnsafe(Math.min(left, PIECE_BYTES)));
}

/** With what the store's log grew by. */
async function timedGrowth(store: Store, action: () => Promise<unknown>): Promise<LargeFigures> {
  const before = (await store.stats()).logBytes;
  const figures = await timed(action);
  return { ...figures, added: (await store.stats()).logBytes - before };
}

/** The file with `inserted` in its middle. */
function insertStep(insertedBytes: number): Step {
  return (task) =>
    withStore(task, async (store) => {
      await store.saveFile(`insert-${insertedBytes}`, fileOf(task));
      async function* edited(): AsyncGenerator<Uint8Array> {
        let at = 0;
        for await (const piece of createReadStream(fileOf(task), { highWaterMark: PIECE_BYTES })) {
          if (at < task.size / 2 && at + piece.length >= task.size / 2)
            yield randomFillSync(Buffer.allocUnsafe(insertedBytes));
          at += piece.length;
          yield piece;
        }
      }
      return timedGrowth(store, () => store.save(`insert-${insertedBytes}`, edited()));
    });
}

/** Rows of text of equal length, of which some are written anew. */
function* rowPieces(size: number, seed: number, isEdited: boolean): Generator<Buffer> {
  const random = randomFrom(seed);
  const edits = randomFrom(seed + 1);
  const rows = Math.floor(size / ROW_BYTES);
  const perPiece = Math.floor(PIECE_BYTES / ROW_BYTES);
  for (let first = 0; first < rows; first += perPiece) {
    let text = "";
    for (let row = first; row < Math.min(rows, first + perPiece); row++) {
      const values = `${row},${random().toFixed(16)},${random().toFixed(16)},${random().toFixed(16)}`;
      const isChanged = edits() * ROWS_PER_EDIT < 1;
      const line = isChanged && isEdited ? values.replace(/,0\./g, ",1.") : values;
      text += `${line.padEnd(ROW_BYTES - 1, " ")}\n`;
    }
    yield Buffer.from(text);
  }
}

function fixedAdded(size: number, seed: number): number {
  let added = 0;
  const edited = rowPieces(size, seed, true);
  let left = Buffer.alloc(0);
  let leftEdited = Buffer.alloc(0);
  for (const piece of rowPieces(size, seed, false)) {
    left = Buffer.concat([left, piece]);
    leftEdited = Buffer.concat([leftEdited, edited.next().value as Buffer]);
    for (
      ;
      left.length >= FIXED_BYTES;
      left = left.subarray(FIXED_BYTES), leftEdited = leftEdited.subarray(FIXED_BYTES)
    )
      if (!left.subarray(0, FIXED_BYTES).equals(leftEdited.subarray(0, FIXED_BYTES))) added += FIXED_BYTES;
  }
  return left.equals(leftEdited) ? added : added + left.length;
}

async function changeSome(tree: string): Promise<void> {
  const folder = join(tree, (await readdir(tree))[0]!);
  for (const name of (await readdir(folder)).slice(0, CHANGED_FILES))
    await writeFile(join(folder, name), `changed ${name}`);
}

const steps: Record<LargeStep, Step> = {
  make: (task) => timed(() => writeAll(fileOf(task), randomPieces(task.size))),
  sha256: (task) =>
    timed(() => {
      const hash = createHash("sha256");
      for (const piece of piecesOf(fileOf(task))) hash.update(piece);
      hash.digest();
    }),
  copy: (task) => timed(() => writeAll(join(task.folder, "copy.bin"), piecesOf(fileOf(task)))),
  read: (task) =>
    timed(() => {
      for (const _ of piecesOf(fileOf(task)));
    }),
  "read-stream": (task) =>
    timed(async () => {
      for await (const _ of createReadStream(fileOf(task), { highWaterMark: PIECE_BYTES }));
    }),
  save: (task) => withStore(task, (store) => timed(() => store.saveFile("value", fileOf(task)))),
  load: (task) =>
    withStore(task, async (store) => {
      const artifact = await store.get("value");
      return timed(async () => {
        for await (const _ of artifact.stream());
      });
    }),
  cacache: async (task) => {
    const { put } = await cacache();
    const target = put.stream(join(task.folder, "cacache"), "value");
    return timed(() => pipeline(createReadStream(fileOf(task), { highWaterMark: PIECE_BYTES }), target));
  },
  again: (task) =>
    withStore(task, (store) => timedGrowth(store, () => store.saveFile("again", fileOf(task)))),
  insert: insertStep(PIECE_BYTES),
  "insert-small": insertStep(1_000),
  edit: (task) =>
    withStore(task, async (store) => {
      await store.save("rows", Readable.from(rowPieces(task.size, task.seed, false)));
      const edited = Readable.from(rowPieces(task.size, task.seed, true));
      const figures = await timedGrowth(store, () => store.save("rows", edited));
      return { ...figures, fixedAdded: fixedAdded(task.size, task.seed) };
    }),
  "make-files": (task) =>
    timed(async () => {
      for (let i = 0; i < task.size; i++) {
        const folder = join(treeOf(task), `part-${Math.floor(i / FILES_PER_FOLDER)}`);
        if (i % FILES_PER_FOLDER === 0) mkdirSync(folder, { recursive: true });
        await writeFile(join(folder, `file-${i}.bin`), randomFillSync(Buffer.allocUnsafe(FILE_BYTES)));
      }
    }),
  files: (task) =>
    withStore(task, async (store) => {
      const save = () => store.saveDirectory("tree", treeOf(task));
      const first = await timed(save);
      await changeSome(treeOf(task));
      const second = await timed(save);
      return { ...first, secondSeconds: second.seconds };
    }),
  "files-cacache": async (task) => {
    const { put } = await cacache();
    const cache = join(task.folder, "cacache-files");
    const paths: string[] = [];
    for (const folder of await readdir(treeOf(task)))
      for (const name of await readdir(join(treeOf(task), folder))) paths.push(join(folder, name));
    return timed(async () => {
      const worker = async () => {
        for (let path = paths.pop(); path !== undefined; path = paths.pop())
          await put(cache, path, await readFile(join(treeOf(task), path)));
      };
      await Promise.all(Array.from({ length: CACACHE_AT_ONCE }, worker));
    });
  },
};

export function measureLarge(task: LargeTask): Promise<LargeFigures> {
  return steps[task.step](task);
}
