import { PassThrough, Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type ByteSource, isByteSource, piecesOf } from "../../engine/chunk/source.ts";
import { VarveError } from "../../engine/errors.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { removeFolders } from "../helpers/folders.ts";
import { within } from "../helpers/time.ts";
import { all } from "./source-support.ts";
import { Watched } from "./support.ts";

const test = suite("sources of bytes");
test.after.each(removeFolders);

const hello = () => [Buffer.from("he"), Buffer.alloc(0), new Uint8Array(Buffer.from("llo"))];

test("sources are told from values", () => {
  const sources = [
    Readable.from([]),
    new PassThrough(),
    new ReadableStream(),
    new Blob(["a"]),
    new File(["a"], "a"),
    (async function* () {})(),
    { [Symbol.asyncIterator]: () => new Watched([]) },
    { getReader() {}, locked: false },
  ];
  for (const source of sources) assert.ok(isByteSource(source), String(source));
  const fails = (): never => {
    throw new Error("code of the value was run");
  };
  const values = [
    undefined,
    null,
    1,
    "text",
    [],
    [hello()],
    {},
    { locked: false, stream: 1 },
    new Map(),
    new Set(),
    new Date(),
    hello()[0],
    new Uint8Array(3),
    new ArrayBuffer(3),
    Promise.resolve(),
    (function* () {})(),
    async function* () {},
    new Proxy({}, { has: fails, get: fails, getPrototypeOf: fails, getOwnPropertyDescriptor: fails }),
  ];
  for (const value of values) assert.not(isByteSource(value), String(typeof value));
});

test("all kinds give their bytes, and no empty piece", async () => {
  const sources: (() => ByteSource)[] = [
    () => Readable.from(hello()),
    () => ReadableStream.from(hello()),
    () => new Watched(hello()),
    () => new Blob(["hel", "lo"]),
    () => new File(["hello"], "name"),
    () => {
      const stream = new PassThrough();
      stream.end("hello");
      return stream;
    },
  ];
  for (const make of sources) assert.is((await all(make())).toString(), "hello");
  const bare = { getReader: () => ReadableStream.from(hello()).getReader(), locked: false };
  assert.is((await all(bare as unknown as ReadableStream)).toString(), "hello");
});

test("pieces that are no bytes are refused, with what to do, and the source is closed", async () => {
  const wrong: [unknown, RegExp, RegExp][] = [
    ["text", /is a string/, /Buffer\.from/],
    [{ row: 1 }, /is Object/, /JSON/],
    [[1, 2], /is Array/, /JSON/],
    [7, /is a number/, /JSON/],
    [null, /is null/, /JSON/],
    [undefined, /is undefined/, /JSON/],
    [new ArrayBuffer(2), /is ArrayBuffer/, /new Uint8Array\(piece\)/],
    [new Uint16Array(2), /is Uint16Array/, /byteOffset/],
    [new DataView(new ArrayBuffer(1)), /is DataView/, /byteOffset/],
    [new Proxy(new Uint8Array(1), {}), /proxy/, /JSON/],
  ];
  for (const [piece, message, hint] of wrong) {
    const source = new Watched([Buffer.from("a"), piece]);
    const error = await failureWithHint(all(source), "UNSUPPORTED_VALUE");
    assert.match(error.message, /^piece 1 of the iterable/);
    assert.match(error.message, message);
    assert.match(error.hint!, hint);
    assert.is(source.returned, 1);
  }
  const stream = Readable.from([{ row: 1 }]);
  await failureWithHint(all(stream), "UNSUPPORTED_VALUE");
  assert.ok(stream.destroyed);
  const text = new PassThrough({ encoding: "utf8" });
  text.write("a");
  await failureWithHint(all(text), "UNSUPPORTED_VALUE");
  assert.ok(text.destroyed);
});

test("a source that fails is the cause of the error", async () => {
  const own = new TypeError("the wire broke");
  const failing = function* () {
    yield Buffer.from("a");
    throw own;
  };
  const stream = new PassThrough();
  stream.write("a");
  setImmediate(() => stream.destroy(own));
  const sources: ByteSource[] = [
    Readable.from(failing()),
    ReadableStream.from(failing()),
    new Watched(failing()),
    stream,
    {
      [Symbol.asyncIterator]() {
        throw own;
      },
    },
    new ReadableStream({ start: (controller) => controller.error(own) }),
  ];
  for (const source of sources) {
    const error = await failureWithHint(all(source), "IO");
    assert.is(error.cause, own);
    assert.match(error.message, /the wire broke/);
  }
  const ofVarve = new VarveError("CORRUPTION", "of another store");
  const passedOn = (async function* () {
    yield Buffer.from("a");
    throw ofVarve;
  })();
  assert.is(await failure(all(passedOn), "CORRUPTION"), ofVarve);
  const aborted = Readable.from(hello());
  aborted.destroy(new DOMException("by its own signal", "AbortError") as Error);
  await failureWithHint(all(aborted), "ABORTED");
});

test("a stream that fails before it is read ends no process, and is told when it is read", async () => {
  const own = new Error("too early");
  const stream = new PassThrough();
  const pieces = piecesOf(stream);
  stream.destroy(own);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const error = await failureWithHint(pieces.next(), "IO");
  assert.is(error.cause, own);
  assert.equal(await pieces.next(), { done: true, value: undefined });
});

test("what was read, destroyed or locked before is refused at once", async () => {
  const read = Readable.from(hello());
  await read[Symbol.asyncIterator]().next();
  const ended = Readable.from(hello());
  for await (const _ of ended);
  const destroyed = new PassThrough();
  destroyed.destroy();
  const locked = ReadableStream.from(hello());
  const reader = locked.getReader();
  const disturbed = ReadableStream.from(hello());
  const first = disturbed.getReader();
  await first.read();
  first.releaseLock();
  const cancelled = ReadableStream.from(hello());
  await cancelled.cancel();
  for (const [source, message] of [
    [read, /read from/],
    [ended, /destroyed|read from/],
    [destroyed, /destroyed/],
    [locked, /locked/],
    [disturbed, /read from/],
    [cancelled, /read from/],
  ] as const) {
    const error = await failureWithHint(() => piecesOf(source), "INVALID_ARGUMENT");
    assert.match(error.message, message);
  }
  assert.is((await reader.read()).done, false, "who locked it goes on");
});

test("an abort ends the waiting for a source that never answers, and closes it", async () => {
  const never = new Promise<never>(() => {});
  let cancels = 0;
  const web = new ReadableStream({ cancel: () => void cancels++ });
  const node = new PassThrough();
  let returned = 0;
  const iterable = {
    [Symbol.asyncIterator]: () => ({
      next: () => never,
      return: () => {
        returned += 1;
        return never;
      },
    }),
  };
  const generator = (async function* () {
    yield await never;
  })();
  for (const source of [web, node, iterable, generator]) {
    const stopping = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => stopping.abort(reason), 5);
    const error = await within(10_000, "an aborted source", () =>
      failure(all(source as ByteSource, stopping.signal), "ABORTED"),
    );
    assert.is(error.cause, reason);
  }
  assert.is(cancels, 1);
  assert.ok(node.destroyed);
  assert.is(returned, 1);
});

test("what is left before its end is closed: once, and also before its beginning", async () => {
  for (const count of [0, 1]) {
    const iterable = new Watched(hello());
    const node = Readable.from(hello());
    let cancels = 0;
    const web = new ReadableStream({
      pull: (controller) => controller.enqueue(Buffer.from("a")),
      cancel: () => void cancels++,
    });
    let isOver = false;
    const generator = (async function* () {
      try {
        for (;;) yield Buffer.from("a");
      } finally {
        isOver = true;
      }
    })();
    for (const source of [iterable, node, web, generator]) {
      const pieces = piecesOf(source);
      for (let taken = 0; taken < count; taken++) await pieces.next();
      await pieces.return();
      await pieces.return();
      assert.equal(await pieces.next(), { done: true, value: undefined });
    }
    assert.is(iterable.returned, 1);
    assert.is(iterable.pulled, count);
    assert.ok(node.destroyed);
    assert.is(cancels, 1);
    assert.not(web.locked);
    assert.is(isOver, count > 0);
    assert.equal(await generator.next(), { done: true, value: undefined });
  }
});

test("a source that was read to its end is not closed a second time", async () => {
  const source = new Watched(hello());
  await all(source);
  assert.is(source.returned, 0);
});

test("nothing is asked of a source before the piece before was taken", async () => {
  const source = new Watched(hello());
  const pieces = piecesOf(source);
  await new Promise((resolve) => setImmediate(resolve));
  assert.is(source.pulled, 0);
  await pieces.next();
  await new Promise((resolve) => setImmediate(resolve));
  assert.is(source.pulled, 1);
});

test.run();
