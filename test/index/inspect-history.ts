import * as assert from "uvu/assert";
import { inspectHead, inspectTree } from "../../engine/index/inspect.ts";
import { Environment } from "../../engine/index/lmdb.ts";
import { rowChecksum } from "../../engine/log/checksum.ts";
import type { Random } from "../helpers/random.ts";

/** Environments with histories that use all that LMDB's file can hold. */

/** A value that is known to be whole, and to belong to its key. */
export function sealed(key: Buffer, body: Buffer): Buffer {
  const value = Buffer.concat([Buffer.alloc(4), body]);
  value.writeUInt32LE(rowChecksum(Buffer.concat([key, body])), 0);
  return value;
}

export function isSealed(key: Buffer, value: Buffer): boolean {
  return value.length >= 4 && value.readUInt32LE(0) === rowChecksum(Buffer.concat([key, value.subarray(4)]));
}

/**
 * Begins with two small transactions: LMDB (as of lmdb-js 3.5.6) ends the process when one frees hundreds of pages while
 * its list of free pages is empty, as it is in new files and compact copies.
 */
export function openEnvironment(folder: string): Environment {
  const environment = new Environment(folder);
  const key = Buffer.from([0, 1]);
  for (let i = 0; i < 2; i++)
    environment.transactSync(() => environment.put(key, sealed(key, Buffer.from([i]))));
  return environment;
}

interface Style {
  keys: number;
  rowsMax: number;
  deleting: number;
  large: boolean;
  undone: boolean;
  readers: boolean;
  keyOf: (n: number) => Buffer;
}

const KEYS: ((n: number) => Buffer)[] = [
  (n) => {
    const digest = Buffer.alloc(33, n & 0xff);
    digest.writeUInt32BE(Math.imul(n, 2654435761) >>> 0, 1);
    digest[0] = 1;
    return digest;
  },
  (n) => Buffer.from(`\u0002group${n % 7}/${n}`.padEnd(5 + (n % 90), "x")),
  (n) => Buffer.from(`\u0002${"long".repeat(n % 170)}${n}`),
];

function styleOf(random: Random): Style {
  return {
    keys: [50, 1000, 30_000][random.below(3)]!,
    rowsMax: [3, 30, 300, 2000][random.below(4)]!,
    deleting: random.next() * 0.6,
    large: random.next() < 0.5,
    undone: random.next() < 0.3,
    readers: random.next() < 0.3,
    keyOf: KEYS[random.below(KEYS.length)]!,
  };
}

function bodyOf(random: Random, large: boolean): Buffer {
  const kind = random.next();
  let size = kind < 0.7 ? 40 + random.below(60) : kind < 0.9 ? random.below(600) : random.below(2100);
  if (large && kind > 0.97) size = random.below(kind > 0.995 ? 60_000 : 9000);
  return Buffer.alloc(size, random.below(256));
}

/** @param then after each transaction */
export function* history(environment: Environment, random: Random, transactions: number): Generator<number> {
  const style = styleOf(random);
  const snapshots: { done(): void }[] = [];
  for (let i = 0; i < transactions; i++) {
    transact(environment, random, style);
    if (random.next() < 0.02) environment.clear();
    if (style.readers && random.next() < 0.3) snapshots.push(environment.snapshot());
    if (snapshots.length > random.below(5)) snapshots.splice(random.below(snapshots.length), 1)[0]!.done();
    yield i;
  }
  for (const snapshot of snapshots) snapshot.done();
}

function transact(environment: Environment, random: Random, style: Style): void {
  const deletes = random.next() < style.deleting;
  const isUndone = style.undone && random.next() < 0.2;
  const undone = new Error("undone");
  try {
    environment.transactSync(() => {
      const put: Buffer[] = [];
      for (let count = 1 + random.below(style.rowsMax); count > 0; count--) {
        const key = style.keyOf(random.below(style.keys));
        if (deletes && random.next() < 0.9) environment.remove(key);
        else {
          environment.put(key, sealed(key, bodyOf(random, style.large)));
          put.push(key);
        }
      }
      if (random.next() < 0.1) for (const key of put) environment.remove(key);
      if (isUndone) throw undone;
    });
  } catch (error) {
    if (error !== undone) throw error;
  }
}

/** `VARVE_INSPECT_ROUNDS` raises how many histories, kills and damages are tried. */
export const ROUNDS = Number(process.env.VARVE_INSPECT_ROUNDS ?? 1);
export const PAGE = 4096;
export const NEVER_MILLISECONDS = 10_000;

export function isWhole(path: string, when: string): void {
  assert.is(inspectHead(path), undefined, when);
  assert.is(inspectTree(path, isSealed), undefined, when);
}
