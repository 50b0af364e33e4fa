import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** As much as is used here of what Node has, but not its types. */
interface WebAssemblyApi {
  Module: new (code: Uint8Array) => object;
  Instance: new (module: object, imports?: object) => { exports: unknown };
}

const { Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;

/** Exports of `xxhash.wasm`: its memory, and the function that hashes. */
interface Xxhash {
  mem: { readonly buffer: ArrayBuffer; grow(pages: number): void };
  xxh64: unknown;
}

/** Whether the checksum of so many bytes from an address, with the seed at address 0, stands at `sum`. */
type IsSumAt = (from: number, length: number, sum: number) => 0 | 1;

const PAGE_BYTES = 64 * 1024;
/** Room for what is hashed. */
export const HASHED_BYTES = 4 * 1024 * 1024;
/** Where it begins: behind the seed, and room for checksums that are put together for being hashed. */
export const HASHED_FROM = PAGE_BYTES;
export const SUMS_FROM = 8;
export const SUMS_BYTES = HASHED_FROM - SUMS_FROM;

/** XXH64 of 45 zero bytes with the seed 7. */
const SUM_OF_ZEROS = 0xc3f7_9326_65a0_d2e3n;

/**
 * Bytes that are hashed where they are. xxhash-wasm copies what it hashes and gives a bigint, which takes five times as
 * long as to hash some fifty bytes; so here its WebAssembly is called by a few instructions of our own, in its memory.
 */
export class HashMemory {
  /** All of the memory. */
  readonly bytes: Buffer<ArrayBuffer>;
  readonly #view: DataView;
  readonly #isSumAt: IsSumAt;
  #seed = 0n;

  private constructor({ mem }: Xxhash, isSumAt: IsSumAt) {
    mem.grow(Math.ceil((HASHED_FROM + HASHED_BYTES - mem.buffer.byteLength) / PAGE_BYTES));
    this.bytes = Buffer.from(mem.buffer);
    this.#view = new DataView(mem.buffer);
    this.#isSumAt = isSumAt;
  }

  /** Undefined where the file of the package is not found, as in a program that was put into one file, or is another one. */
  static make(find = packageCode): HashMemory | undefined {
    try {
      const hash = new Instance(new Module(find())).exports as Xxhash;
      const calling = new Instance(new Module(caller()), { xxhash: { ...hash } });
      const memory = new HashMemory(hash, (calling.exports as { isSumAt: IsSumAt }).isSumAt);
      return memory.#isRight() ? memory : undefined;
    } catch {
      return undefined;
    }
  }

  /** Before there is anything in it. */
  #isRight(): boolean {
    this.#view.setBigUint64(SUMS_FROM, SUM_OF_ZEROS, true);
    return this.isSumAt(HASHED_FROM, HASHED_FROM + 45, 7n, SUMS_FROM);
  }

  /** Whether the XXH64 of the bytes from `start` to `end` stands at `at`. */
  isSumAt(start: number, end: number, seed: bigint, at: number): boolean {
    if (seed !== this.#seed) {
      this.#seed = seed;
      this.#view.setBigUint64(0, seed, true);
    }
    return this.#isSumAt(start, end - start, at) === 1;
  }
}

function packageCode(): Uint8Array {
  const path = createRequire(import.meta.url).resolve("xxhash-wasm");
  return readFileSync(join(dirname(path), "../workerd/xxhash.wasm"));
}

const I32 = 0x7f;
const I64 = 0x7e;

/**
 * A WebAssembly module, as wat2wasm makes it of
 *
 *     (import "xxhash" "mem" (memory 1))
 *     (import "xxhash" "xxh64" (func $xxh64 (param i32 i32 i64) (result i64)))
 *     (func (export "isSumAt") (param $from i32) (param $length i32) (param $sum i32) (result i32)
 *       (i64.eq
 *         (call $xxh64 (local.get $from) (local.get $length) (i64.load (i32.const 0)))
 *         (i64.load align=1 (local.get $sum))))
 */
function caller(): Uint8Array {
  const withLength = (bytes: number[]) => [bytes.length, ...bytes];
  const name = (text: string) => withLength([...Buffer.from(text)]);
  const section = (id: number, ...items: number[][]) => [id, ...withLength([items.length, ...items.flat()])];
  const load64 = (align: number) => [0x29, align, 0];
  const get = (local: number) => [0x20, local];
  const call = [...get(0), ...get(1), 0x41, 0, ...load64(3), 0x10, 0];
  const compare = [...get(2), ...load64(0), 0x51];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [0x60, 3, I32, I32, I64, 1, I64], [0x60, 3, I32, I32, I32, 1, I32]),
    ...section(2, [...name("xxhash"), ...name("mem"), 2, 0, 1], [...name("xxhash"), ...name("xxh64"), 0, 0]),
    ...section(3, [1]),
    ...section(7, [...name("isSumAt"), 0, 1]),
    ...section(10, withLength([0, ...call, ...compare, 0x0b])),
  ]);
}
