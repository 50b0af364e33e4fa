/** What a durable save is made of, and a load that is in no cache, by the packages and the system alone. */

import { hash } from "node:crypto";
import { closeSync, fdatasync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { fromBytes, toBytes } from "../cli/bench/cbor.ts";
import type { OpenSubject, PackageLoader, Subject } from "../cli/bench/subject.ts";
import type { Entry } from "../cli/bench/values.ts";

interface Rows {
  getBinaryFast(key: Buffer): Buffer | undefined;
  putSync(key: Buffer, value: Buffer): void;
  transactionSync(action: () => void): void;
  close(): Promise<void>;
}
interface Lmdb {
  open(options: { path: string; encoding: "binary"; keyEncoding: "binary"; noSync: boolean }): Rows;
}
interface Xxhash {
  h64Raw(bytes: Uint8Array, seed: bigint): bigint;
}

interface Save {
  name: Buffer;
  bytes: Buffer;
  digest: Buffer;
  done(): void;
}

/** As long as the rows that varve has of a value, and of a version. */
const DIGEST_ROW_BYTES = 12;
const NAME_ROW_BYTES = 54;
const SEED = 1n;
const sync = promisify(fdatasync);

/** A log of values, and rows that find them. Nothing is promised of it: no headers, no versions, no way back behind a crash. */
class Parts implements OpenSubject {
  readonly #rows: Rows;
  readonly #file: number;
  readonly #sum: (bytes: Uint8Array) => bigint;
  #end: number;
  #queue: Save[] = [];
  #running: Promise<void> | undefined;

  constructor(rows: Rows, file: number, sum: (bytes: Uint8Array) => bigint) {
    this.#rows = rows;
    this.#file = file;
    this.#sum = sum;
    this.#end = fstatSync(file).size;
  }

  save(name: string, value: unknown): Promise<void> {
    const bytes = toBytes(value);
    const digest = Buffer.from(hash("sha256", bytes, "binary"), "latin1");
    return new Promise((done) => {
      this.#queue.push({ name: Buffer.from(name), bytes, digest, done });
      this.#running ??= this.#run();
    });
  }

  load(name: string): unknown {
    const row = this.#rows.getBinaryFast(Buffer.from(name))!;
    const bytes = Buffer.allocUnsafe(row.readUInt32LE(16));
    const [offset, sum] = [Number(row.readBigUInt64LE(0)), row.readBigUInt64LE(8)];
    readSync(this.#file, bytes, 0, bytes.length, offset);
    if (this.#sum(bytes) !== sum) throw new Error(`${name} is damaged`);
    return fromBytes(bytes);
  }

  has(name: string): boolean {
    return this.#rows.getBinaryFast(Buffer.from(name)) !== undefined;
  }

  async fill(entries: readonly Entry[]): Promise<void> {
    await Promise.all(entries.map(({ name, value }) => this.save(name, value)));
  }

  list(): never {
    throw new Error("it is for saves and loads");
  }

  async close(): Promise<void> {
    await this.#rows.close();
    closeSync(this.#file);
  }

  async #run(): Promise<void> {
    // What is called in one turn of the event loop goes into one group.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const group = this.#queue;
      this.#queue = [];
      this.#write(group);
      await sync(this.#file);
      for (const { done } of group) done();
    }
    this.#running = undefined;
  }

  #write(group: readonly Save[]): void {
    const added: Buffer[] = [];
    this.#rows.transactionSync(() => {
      for (const { name, bytes, digest } of group) {
        if (this.#rows.getBinaryFast(digest) || this.#rows.getBinaryFast(name)) continue;
        this.#rows.putSync(digest, Buffer.alloc(DIGEST_ROW_BYTES));
        this.#rows.putSync(name, this.#rowOf(bytes));
        this.#end += bytes.length;
        added.push(bytes);
      }
      writeSync(this.#file, Buffer.concat(added));
    });
  }

  #rowOf(bytes: Buffer): Buffer {
    const row = Buffer.alloc(NAME_ROW_BYTES);
    row.writeBigUInt64LE(BigInt(this.#end), 0);
    row.writeBigUInt64LE(this.#sum(bytes), 8);
    row.writeUInt32LE(bytes.length, 16);
    return row;
  }
}

export const parts: Subject = {
  name: "parts",
  does: "what a save is made of, without a store: CBOR, SHA-256, XXH64, two look-ups and two rows in LMDB, an append, fdatasync",
  packages: [],
  durability: "fdatasync of the file before the promise resolves",
  differs: {
    save: "no store: no versions, environment, artifact for the caller or way back behind a crash",
    "load-random": "no store: a look-up, a read, XXH64, CBOR",
  },
  unsupported: {},
  only: ["save", "load-random"],
  async open(folder: string, loadPackage: PackageLoader): Promise<OpenSubject> {
    const { open } = (await loadPackage("lmdb")) as Lmdb;
    const { default: createXxhash } = (await loadPackage("xxhash-wasm")) as { default(): Promise<Xxhash> };
    const { h64Raw } = await createXxhash();
    const rows = open({
      path: join(folder, "rows"),
      encoding: "binary",
      keyEncoding: "binary",
      noSync: true,
    });
    return new Parts(rows, openSync(join(folder, "values"), "a+"), (bytes) => h64Raw(bytes, SEED));
  },
};
