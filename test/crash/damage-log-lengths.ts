/** A log cut at every length, and lengthened: what is loaded by the good index, and what a scan finds. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recordBytes, SEGMENT_HEADER_BYTES } from "../../engine/log/format.ts";
import { LOG_START } from "../../engine/log/segment.ts";
import { Random } from "../helpers/random.ts";
import { withBothLogs } from "./damage-both-logs.ts";
import { MemoryStore } from "./damage-log-bits.ts";
import { isEnough, placeIn, shuffled } from "./damage-order.ts";
import type { Harness, HarnessResult } from "./harness.ts";

/** What is put behind the end of a log, by its name. */
export function extensions(made: MemoryStore, other: MemoryStore, random: Random): Map<string, Buffer> {
  const { log } = made;
  const last = log.batches.at(-1)!;
  const first = log.batches.find(({ segment }) => segment === last.segment)!;
  const bytes = log.pristine.get(last.segment)!;
  const foreign = other.log.pristine.get(1)!;
  return new Map([
    ["one zero", Buffer.alloc(1)],
    ["a page of zeros", Buffer.alloc(4096)],
    ["more zeros than a window holds", Buffer.alloc(5 * 1024 * 1024)],
    ["garbage", random.bytes(5000)],
    ["a copy of its last batch", bytes.subarray(last.from, last.to)],
    ["a copy of its first batch", bytes.subarray(first.from, first.to)],
    ["a copy of all its batches", bytes.subarray(SEGMENT_HEADER_BYTES)],
    ["a copy of itself with its header", bytes],
    ["half of its last batch", bytes.subarray(last.from, (last.from + last.to) >> 1)],
    ["batches of another store", foreign.subarray(SEGMENT_HEADER_BYTES)],
    // At the offsets at which they stand there.
    ["what another store has behind this length", foreign.subarray(Math.min(foreign.length, bytes.length))],
  ]);
}

/** Puts other bytes in a segment's place for as long as `action` takes. */
async function withBytes<T>(
  made: MemoryStore,
  segment: number,
  bytes: Buffer,
  action: () => Promise<T>,
): Promise<T> {
  const before = made.log.bytes(segment);
  made.log.setBytes(segment, bytes);
  made.forget();
  try {
    return await action();
  } finally {
    made.log.setBytes(segment, before);
    made.forget();
  }
}

/** @param near only versions that lie at the cut are loaded, and some others */
async function tryLength(
  made: MemoryStore,
  segment: number,
  length: number,
  near: boolean,
): Promise<string[]> {
  const { log } = made;
  const bytes = log.pristine.get(segment)!.subarray(0, length);
  const faults = await withBytes(made, segment, bytes, async () => {
    const at = [
      made.ownersOf(segment, length),
      made.ownersOf(segment, length - 1),
      made.anyIn(segment) ?? [],
    ].flat();
    const read = await made.readFaults(near ? new Set(at) : made.values.keys());
    const known = log.faults(log.scan(LOG_START, log.lastSequence), LOG_START, log.lastSequence);
    const blind = log.faults(log.scan(), LOG_START, 0);
    return [...read, ...known, ...blind.map((fault) => `without a witness: ${fault}`)];
  });
  return faults.map((fault) => `segment ${segment} of ${log.pristine.size} cut to ${length}: ${fault}`);
}

/** Nothing that stands behind the end is taken for a batch, or keeps one from being found. */
async function tryExtension(
  made: MemoryStore,
  segment: number,
  what: string,
  more: Buffer,
): Promise<string[]> {
  const { log } = made;
  const bytes = Buffer.concat([log.pristine.get(segment)!, more]);
  const faults = await withBytes(made, segment, bytes, async () => {
    const read = await made.readFaults(made.values.keys());
    const scans = [log.lastSequence, 0].flatMap((durable) => {
      const scanned = log.scan(LOG_START, durable);
      const { batches, problems, end } = scanned;
      const faults = log.faults(scanned, LOG_START, durable);
      if (batches.length !== log.batches.length)
        faults.push(`${batches.length} batches instead of ${log.batches.length}`);
      if (problems.length > 0) faults.push(`reported without need: ${problems[0]!.message}`);
      if (end!.position.sequence !== log.lastSequence) faults.push(`the end is ${end!.position.sequence}`);
      return faults;
    });
    return [...read, ...scans];
  });
  return faults.map((fault) => `segment ${segment} of ${log.pristine.size} lengthened by ${what}: ${fault}`);
}

/** Pairs of records of the same length in different batches of one segment. */
function* alikes(made: MemoryStore): Generator<[segment: number, a: number, b: number, length: number]> {
  const seen = new Map<string, { offset: number; sequence: number }>();
  for (const { batch, segment } of made.log.batches) {
    for (const { header, offset } of batch.records) {
      const length = recordBytes(header.keyLength, header.payloadLength);
      const other = seen.get(`${segment} ${length}`);
      if (other && other.sequence !== batch.header.sequence) yield [segment, other.offset, offset, length];
      seen.set(`${segment} ${length}`, { offset, sequence: batch.header.sequence });
    }
  }
}

/** Whole records, each right in itself, exchanged between batches: only the checksum over a batch tells. */
async function exchangeRecords(made: MemoryStore, most: number): Promise<HarnessResult> {
  const { log } = made;
  const violations: string[] = [];
  let exchanges = 0;
  for (const [segment, a, b, length] of alikes(made)) {
    if (exchanges >= most) break;
    const bytes = Buffer.from(log.pristine.get(segment)!);
    log.pristine.get(segment)!.copy(bytes, a, b, b + length);
    log.pristine.get(segment)!.copy(bytes, b, a, a + length);
    const faults = await withBytes(made, segment, bytes, async () => [
      ...(await made.readFaults(new Set([...made.ownersOf(segment, a), ...made.ownersOf(segment, b)]))),
      ...log.faults(log.scan(LOG_START, log.lastSequence), LOG_START, log.lastSequence),
    ]);
    exchanges++;
    for (const fault of faults)
      violations.push(`records at ${a} and ${b} of segment ${segment} exchanged: ${fault}`);
  }
  return { counts: { "records exchanged": exchanges }, violations };
}

/** Cuts a log at all its lengths, each once, until the time is up; before that it is lengthened in every way. */
export async function changeLengths(
  made: MemoryStore,
  other: MemoryStore,
  random: Random,
  until: number,
  most = Number.POSITIVE_INFINITY,
): Promise<HarnessResult> {
  const violations: string[] = [];
  const counts = { extensions: 0, exchanges: 0, cuts: 0, "lengths there are": 0 };
  const exchanged = await exchangeRecords(made, Math.min(most, 200));
  violations.push(...exchanged.violations);
  counts.exchanges = exchanged.counts["records exchanged"]!;
  const numbers = [...made.log.pristine.keys()];
  const lengthened =
    most === Number.POSITIVE_INFINITY ? numbers : [numbers.at(-1)!, numbers[random.below(numbers.length)]!];
  for (const segment of new Set(lengthened)) {
    for (const [what, more] of extensions(made, other, random)) {
      violations.push(...(await tryExtension(made, segment, what, more)));
      counts.extensions++;
    }
  }
  const segments = [...made.log.pristine].map(([number, bytes]) => ({ number, lengths: bytes.length }));
  const total = segments.reduce((sum, { lengths }) => sum + lengths, 0);
  counts["lengths there are"] = total;
  for (const at of shuffled(total, random)) {
    if (isEnough(counts.cuts, until, most)) break;
    const { index, rest } = placeIn(
      segments.map(({ lengths }) => lengths),
      at,
    );
    violations.push(...(await tryLength(made, segments[index]!.number, rest, counts.cuts % 100 !== 0)));
    counts.cuts++;
  }
  return { counts, violations };
}

export const logLengths: Harness = {
  name: "damage-log-lengths",
  async run({ seed, until }) {
    const homes = mkdtempSync(join(tmpdir(), "varve-damage-"));
    const newHome = () => mkdtempSync(join(homes, "store-"));
    const other = await MemoryStore.make(newHome());
    try {
      return await withBothLogs(until, 0.7, async (what, segmentBytesMax, end) => {
        const made = await MemoryStore.make(newHome(), segmentBytesMax);
        try {
          return await changeLengths(made, other, new Random(what, seed), end);
        } finally {
          await made.store.close();
        }
      });
    } finally {
      await other.store.close();
      rmSync(homes, { recursive: true, force: true });
    }
  },
};
