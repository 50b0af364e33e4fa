/** Every bit of a log flipped in turn: what is loaded by the good index, and what a scan finds. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { familyOf, parseVersionKey, versionKey } from "../../engine/artifact-key.ts";
import { CodecRegistry } from "../../engine/codec/codec.ts";
import { RecordKind, SEGMENT_HEADER_BYTES } from "../../engine/log/format.ts";
import { LOG_START } from "../../engine/log/segment.ts";
import type { ArtifactStore } from "../../engine/main.ts";
import type { CoreHandle } from "../../engine/open.ts";
import { openCore } from "../../engine/open.ts";
import { EmbeddedStore } from "../../engine/store.ts";
import { Random } from "../helpers/random.ts";
import { withBothLogs } from "./damage-both-logs.ts";
import { KnownLog, readFaults } from "./damage-log.ts";
import { fill, valueFor } from "./damage-material.ts";
import { MemoryFiles } from "./damage-memory.ts";
import { isEnough, placeIn, shuffled } from "./damage-order.ts";
import type { Harness, HarnessResult } from "./harness.ts";

const SEGMENT_BYTES = 64 * 1024;
export const VERSION_SPACE = versionKey("x", 0)[0]!;

interface Value {
  value: unknown;
  bytes: Buffer;
}

/** What of a segment belongs to which version. */
interface Owner {
  from: number;
  to: number;
  ref: string;
}

/** A store over a log in memory, whose values are all known. */
export class MemoryStore {
  readonly home: string;
  readonly handle: CoreHandle;
  readonly store: ArtifactStore;
  readonly files: MemoryFiles;
  log!: KnownLog;
  readonly values = new Map<string, Value>();
  readonly #owners = new Map<number, Owner[]>();

  private constructor(home: string, handle: CoreHandle, store: ArtifactStore, files: MemoryFiles) {
    this.home = home;
    this.handle = handle;
    this.store = store;
    this.files = files;
  }

  /** @param segmentBytesMax undefined for one segment of exactly 64 KiB */
  static async make(home: string, segmentBytesMax?: number): Promise<MemoryStore> {
    const files = new MemoryFiles();
    const handle = await openCore(home, {
      application: "artifact",
      familyOf,
      files,
      ...(segmentBytesMax && { segmentBytesMax }),
    });
    const settings = { home, readOnly: false, durable: true, codecs: new CodecRegistry() };
    const made = new MemoryStore(home, handle, new EmbeddedStore(handle, settings), files);
    await fill(made.store, { names: segmentBytesMax ? 8 : 13, versions: segmentBytesMax ? 3 : 4 });
    made.log = new KnownLog(home, files);
    if (segmentBytesMax === undefined) await made.#fillUp();
    made.log = new KnownLog(home, files);
    await made.#learn();
    return made;
  }

  /** One more value makes the segment as long as it should be. */
  async #fillUp(): Promise<void> {
    const before = this.log.bytes(1).length;
    await this.store.save("last", Buffer.alloc(512, 1));
    const overhead = this.log.bytes(1).length - before - 512;
    const length = SEGMENT_BYTES - this.log.bytes(1).length - overhead;
    if (length < 0) throw new Error(`the segment is too long already: ${this.log.bytes(1).length}`);
    await this.store.save("last", Buffer.alloc(length, 2));
    if (this.log.bytes(1).length !== SEGMENT_BYTES) throw new Error(`${this.log.bytes(1).length} bytes`);
  }

  async #learn(): Promise<void> {
    const digests = new Map<string, string[]>();
    for await (const artifact of this.store.list({ allVersions: true })) {
      const value = await artifact.value();
      if (artifact.name !== "last" && !same(value, valueFor(artifact.name, artifact.version)))
        throw new Error(artifact.ref);
      this.values.set(artifact.ref, { value, bytes: Buffer.from(await artifact.bytes()) });
      digests.set(artifact.digest, [...(digests.get(artifact.digest) ?? []), artifact.ref]);
    }
    for (const { batch, segment } of this.log.batches) {
      for (const { header, key, offset } of batch.records) {
        const to = offset + 32 + header.keyLength + header.payloadLength;
        for (const ref of this.#refsOf(header.kind, key, digests))
          this.#owners.set(segment, [...(this.#owners.get(segment) ?? []), { from: offset, to, ref }]);
      }
    }
  }

  #refsOf(kind: RecordKind, key: Buffer, digests: Map<string, string[]>): string[] {
    if (kind === RecordKind.blob)
      return digests.get(`sha256:${key.toString("hex")}`) ?? digests.get(key.toString("hex")) ?? [];
    if (key[0] !== VERSION_SPACE) return [];
    const { name, version } = parseVersionKey(key);
    const ref = `${name}:${version}`;
    return this.values.has(ref) ? [ref] : [];
  }

  ownersOf(segment: number, offset: number): string[] {
    const owners = this.#owners.get(segment) ?? [];
    return [...new Set(owners.filter(({ from, to }) => from <= offset && offset < to).map(({ ref }) => ref))];
  }

  /** A version with something in this segment. */
  anyIn(segment: number): string | undefined {
    return this.#owners.get(segment)?.[0]?.ref;
  }

  /** Files are opened again, as a process that comes later would. */
  forget(): void {
    this.handle.core.reader.forget();
  }

  async readFaults(refs: Iterable<string>): Promise<string[]> {
    const faults: string[] = [];
    for (const ref of refs) {
      const { value, bytes } = this.values.get(ref)!;
      for (const fault of await readFaults(this.store, ref, value, bytes)) faults.push(`${ref}: ${fault}`);
    }
    return faults;
  }
}

function same(a: unknown, b: unknown): boolean {
  return a instanceof Uint8Array
    ? Buffer.from(a).equals(b as Buffer)
    : JSON.stringify(a) === JSON.stringify(b);
}

/** Flips a bit for as long as `action` takes. */
async function withFlipped<T>(
  bytes: Buffer,
  offset: number,
  bit: number,
  action: () => Promise<T>,
): Promise<T> {
  bytes[offset]! ^= 1 << bit;
  try {
    return await action();
  } finally {
    bytes[offset]! ^= 1 << bit;
  }
}

/** @param whole also load every version, and scan from the beginning */
async function tryFlip(
  made: MemoryStore,
  segment: number,
  offset: number,
  bit: number,
  whole: boolean,
): Promise<string[]> {
  const { log } = made;
  const where = `bit ${bit} of byte ${offset} of segment ${segment} of ${log.pristine.size}`;
  const faults = await withFlipped(log.bytes(segment), offset, bit, async () => {
    const inHeader = offset < SEGMENT_HEADER_BYTES;
    if (inHeader) made.forget();
    const any = inHeader ? made.anyIn(segment) : undefined;
    const refs = whole ? made.values.keys() : any ? [any] : made.ownersOf(segment, offset);
    const read = await made.readFaults(refs);
    return [...read, ...scanFaults(log, segment, offset, whole || inHeader)];
  });
  if (offset < SEGMENT_HEADER_BYTES) made.forget();
  return faults.map((fault) => `${where}: ${fault}`);
}

/** What scans of the damaged log give, by one that knows what was durable and by one that does not. */
function scanFaults(log: KnownLog, segment: number, offset: number, whole: boolean): string[] {
  const at = log.batchAt(segment, offset);
  const from = whole || !at || at.from === SEGMENT_HEADER_BYTES ? LOG_START : at.start;
  const enough = whole ? undefined : at?.batch.header.sequence;
  const known = log.faults(log.scan(from, log.lastSequence, enough), from, log.lastSequence);
  const blind = log.faults(log.scan(from, 0, enough), from, 0);
  return [
    ...known.map((fault) => `scan: ${fault}`),
    ...blind.map((fault) => `scan without a witness: ${fault}`),
  ];
}

/** Every so many flips all versions are loaded and all of the log is scanned. */
const WHOLE_EVERY = 500;

/** Flips bits of a store's log, each once, until the time is up or there are no more. */
export async function flipBits(
  made: MemoryStore,
  random: Random,
  until: number,
  most = Number.POSITIVE_INFINITY,
): Promise<HarnessResult> {
  const segments = [...made.log.pristine].map(([number, bytes]) => ({ number, bits: bytes.length * 8 }));
  const total = segments.reduce((sum, { bits }) => sum + bits, 0);
  const violations: string[] = [];
  let flips = 0;
  for (const at of shuffled(total, random)) {
    if (isEnough(flips, until, most)) break;
    const { index, rest } = placeIn(
      segments.map(({ bits }) => bits),
      at,
    );
    violations.push(
      ...(await tryFlip(made, segments[index]!.number, rest >> 3, rest & 7, flips % WHOLE_EVERY === 0)),
    );
    flips++;
  }
  return { counts: { "bits flipped": flips, "of so many": total }, violations };
}

export const logBits: Harness = {
  name: "damage-log-bits",
  run: ({ seed, until }) =>
    withBothLogs(until, 0.7, async (what, segmentBytesMax, end) => {
      const home = mkdtempSync(join(tmpdir(), "varve-damage-"));
      const made = await MemoryStore.make(home, segmentBytesMax);
      try {
        return await flipBits(made, new Random(what, seed), end);
      } finally {
        await made.store.close();
        rmSync(home, { recursive: true, force: true });
      }
    }),
};
