import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Environment } from "../../engine/index/lmdb.ts";
import {
  endPut,
  PUT_BYTES_MAX,
  putEnd,
  putKey,
  putKeyAt,
  putMark,
  putValue,
  putValueAt,
} from "../../engine/index/raw-put.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, track } from "../helpers/stores.ts";

const test = suite("raw puts");
test.after.each(async () => {
  await closeAll();
  removeFolders();
});

interface Pair {
  key: Buffer;
  value: Buffer;
}

const newEnvironment = () => track(new Environment(newFolder()));

/** As entries, one behind the other, in memory that begins with something else. */
function laid(pairs: readonly Pair[]): { bytes: Buffer; end: number } {
  const most = pairs.reduce((sum, { key, value }) => sum + PUT_BYTES_MAX + key.length + value.length, 0);
  const bytes = Buffer.from(new ArrayBuffer(most + 32), 16).fill(0xee);
  let end = 0;
  for (const { key, value } of pairs) {
    const from = end;
    bytes.set(key, putKeyAt(from));
    const valueAt = putValueAt(from, key.length);
    bytes.set(value, valueAt);
    end = endPut(bytes, from, 7, key.length, valueAt + value.length);
    assert.is(putMark(bytes, from), 7);
    assert.is(putEnd(bytes, from), end);
    assert.ok(end - from <= PUT_BYTES_MAX + key.length + value.length);
    assert.equal([putKey(bytes, from), putValue(bytes, from)], [key, value]);
  }
  return { bytes, end };
}

/** Gives how many were put before one was refused. */
function putAll(environment: Environment, { bytes, end }: { bytes: Buffer; end: number }): number {
  return environment.transactSync(() => {
    const put = environment.rawPut(bytes);
    assert.ok(put, "an upgrade of lmdb-js has taken it away");
    let count = 0;
    for (let entry = 0; entry < end; count++) {
      entry = put.put(entry);
      if (entry < 0) break;
    }
    return count;
  });
}

test("keys and values of all lengths are put as they are", () => {
  const random = new Random("raw puts");
  const lengths = Array.from({ length: 120 }, (_, i) => i + 1);
  const pairs = [...lengths, 500, 1_977, 1_978].map((length, i) => {
    const key = random.bytes(length);
    key[0] = i;
    return { key, value: random.bytes(random.below(i % 10 === 0 ? 9_000 : 90)) };
  });
  const environment = newEnvironment();
  assert.is(putAll(environment, laid(pairs)), pairs.length);
  const found = [...environment.entries({ start: Buffer.from([0]) })];
  assert.equal(found, pairs, `seed ${random.seed}`);
});

test("a key that is not behind all others is refused, and nothing is changed", () => {
  const environment = newEnvironment();
  const pairs = ["b", "d", "c", "e"].map((text) => ({
    key: Buffer.from(text),
    value: Buffer.from(`${text}!`),
  }));
  assert.is(putAll(environment, laid(pairs)), 2);
  assert.is(putAll(environment, laid([pairs[1]!])), 0, "the same key again");
  assert.equal([...environment.entries({ start: Buffer.from("a") })], pairs.slice(0, 2));
});

test("there is none without a transaction, which the native part would not survive", () => {
  const environment = newEnvironment();
  assert.is(environment.rawPut(Buffer.alloc(64)), undefined);
  environment.transactSync(() => undefined);
  assert.is(environment.rawPut(Buffer.alloc(64)), undefined);
});

test.run();
