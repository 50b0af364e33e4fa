import { createHook } from "node:async_hooks";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PageItems } from "../../engine/page-items.ts";
import { Random } from "../helpers/random.ts";

const test = suite("the items of pages");
const random = new Random("page items");

/** Pages of numbers, of which one may fail, and how often what gives them was ended. */
class Source {
  ended = 0;
  readonly #lengths: number[];
  readonly #failsAt: number;

  constructor(lengths: number[], failsAt = -1) {
    this.#lengths = lengths;
    this.#failsAt = failsAt;
  }

  async *pages(): AsyncGenerator<number[]> {
    let item = 0;
    try {
      for (const [page, length] of this.#lengths.entries()) {
        if (page === this.#failsAt) throw new Error("no more");
        await new Promise<void>((resolve) => setImmediate(resolve));
        yield Array.from({ length }, () => item++);
      }
    } finally {
      this.ended++;
    }
  }
}

/** What the items are to be the same as. */
async function* generated(
  pages: AsyncGenerator<number[]>,
  refusal: () => Error | undefined,
): AsyncGenerator<number> {
  for await (const page of pages) {
    for (const item of page) {
      const refused = refusal();
      if (refused) throw refused;
      yield item;
    }
  }
}

type Kind = "next" | "return" | "throw";

interface Call {
  kind: Kind;
  /** It is answered before the next call. */
  isAwaited: boolean;
  /** As soon as it is answered, the next item is asked for. */
  isFollowed: boolean;
}

/** What each of the calls came to, some of them made before the one before was answered. */
async function answers(
  items: { [K in Kind]: (argument?: never) => Promise<unknown> },
  calls: Call[],
): Promise<unknown[]> {
  const given: Promise<unknown>[] = [];
  const order: number[] = [];
  for (const [i, { kind, isAwaited, isFollowed }] of calls.entries()) {
    const argument = (kind === "throw" ? new Error("thrown in") : undefined) as never;
    const answer = items[kind](argument);
    const follow = () => items.next().catch((error: Error) => error.message);
    if (isFollowed) given.push(answer.then(follow, follow));
    const told = answer.catch((error: Error) => error.message);
    given.push(told.finally(() => order.push(i)));
    if (isAwaited) await told;
  }
  return [await Promise.all(given), order];
}

test("calls of all kinds, also before others were answered, come to what they would with a generator", async () => {
  for (let round = 0; round < 400; round++) {
    const lengths = Array.from({ length: random.below(4) }, () => random.below(4));
    const failsAt = random.below(3) === 0 ? random.below(4) : -1;
    const refusedFrom = random.below(4) === 0 ? random.below(6) : Number.POSITIVE_INFINITY;
    const calls = Array.from({ length: 1 + random.below(12) }, () => {
      const chosen = random.below(12);
      const kind: Kind = chosen === 0 ? "return" : chosen === 1 ? "throw" : "next";
      return { kind, isAwaited: random.below(2) === 0, isFollowed: random.below(3) === 0 };
    });
    const sources = [new Source(lengths, failsAt), new Source(lengths, failsAt)] as const;
    const refusals = sources.map(() => {
      let asked = 0;
      return () => (asked++ >= refusedFrom ? new Error("refused") : undefined);
    });
    const expected = await answers(generated(sources[0].pages(), refusals[0]!) as never, calls);
    const actual = await answers(new PageItems(sources[1].pages(), refusals[1]!) as never, calls);
    const label = JSON.stringify({ lengths, failsAt, refusedFrom, calls, seed: random.seed });
    assert.equal(actual, expected, label);
    assert.is(sources[1].ended, sources[0].ended, label);
  }
});

test("while a page lasts, each item costs one promise and is there at once", async () => {
  const items = new PageItems(new Source([100]).pages(), () => undefined);
  await items.next();
  let promises = 0;
  const hook = createHook({ init: (_, type) => void (type === "PROMISE" && promises++) }).enable();
  const answers = Array.from({ length: 50 }, () => items.next());
  hook.disable();
  assert.is(promises, 50);
  const given: unknown[] = [];
  for (const answer of answers) void answer.then(({ value }) => given.push(value));
  await null;
  assert.equal(
    given,
    answers.map((_, i) => i + 1),
  );
});

test("leaving early ends what gives the pages", async () => {
  const source = new Source([2, 2]);
  for await (const item of new PageItems(source.pages(), () => undefined)) if (item === 1) break;
  assert.is(source.ended, 1);
  const other = new Source([2, 2]);
  const items = new PageItems(other.pages(), () => undefined);
  await items.next();
  await items[Symbol.asyncDispose]();
  assert.is(other.ended, 1);
  assert.equal(await items.next(), { value: undefined, done: true });
});

test.run();
