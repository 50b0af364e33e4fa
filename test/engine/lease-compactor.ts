/**
 * Moves records of a store in the plainest way: one sealed segment at a time, all blobs that nobody refers to dropped, the
 * rows in one transaction. A word a line: what it does, and what with; it answers each with one document.
 */
import { existsSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Environment } from "../../engine/index/lmdb.ts";
import { LockEnvironment } from "../../engine/index/lock.ts";
import type { Row } from "../../engine/index/rows.ts";
import {
  BLOB_SPACE,
  decodeBlobRow,
  decodeRow,
  encodeBlobRow,
  encodeRow,
  META_SPACE,
} from "../../engine/index/rows.ts";
import { checksum } from "../../engine/log/checksum.ts";
import { nodeFileSystem as files } from "../../engine/log/file.ts";
import { RecordKind } from "../../engine/log/format.ts";
import { GroupLayout } from "../../engine/log/layout.ts";
import type { RecordPlace } from "../../engine/log/reader.ts";
import { LogReader } from "../../engine/log/reader.ts";
import { scanLog } from "../../engine/log/scan.ts";
import type { LogIdentity, LogPosition } from "../../engine/log/segment.ts";
import {
  LOG_START,
  listSegments,
  listSuperseded,
  nextRewrittenId,
  segmentPath,
} from "../../engine/log/segment.ts";
import { indexFolder, logFolder } from "../../engine/maintenance/home.ts";
import { RewrittenSegment } from "../helpers/rewritten-segment.ts";

const [home, times] = process.argv.slice(2) as [string, string];
const folder = logFolder(home);
const lock = new LockEnvironment(home, JSON.parse(times));
const id = (place: RecordPlace) => `${place.segment}/${place.offset}`;

/** Where records lie now, by where they lay; those that were dropped are not in it. */
class Move {
  readonly places = new Map<string, RecordPlace>();
  readonly made: RewrittenSegment[] = [];

  async rewrite(identity: LogIdentity, dead: (digest: Buffer) => boolean, only?: number): Promise<void> {
    const reader = new LogReader(files, folder, identity);
    const numbers = listSegments(files, folder);
    const batches = [];
    const scan = scanLog(reader, numbers, LOG_START);
    for (let next = scan.next(); !next.done; next = scan.next())
      if ("batch" in next.value) batches.push(next.value.batch);
    let end: LogPosition = LOG_START;
    for (const number of numbers.slice(0, -1)) {
      const own = batches.filter((batch) => batch.end.segment === number);
      if (only !== undefined && number !== only) {
        end = own.at(-1)?.end ?? end;
        continue;
      }
      const { header } = reader.segment(number);
      const { previousNumber, previousEnd, previousChain, previousSequence } = header;
      const { chain, sequence } = own.at(-1)?.end ?? end;
      const ended = { lastNumber: number, endChain: chain, endSequence: sequence };
      const rewriting = {
        id: nextRewrittenId(files, folder, number, number),
        previous: { previousNumber, previousEnd, previousChain, previousSequence },
        end: header.rewritten ?? ended,
      };
      const made = new RewrittenSegment(files, folder, rewriting, identity, Date.now());
      const { salt } = made.header;
      const pieces: Uint8Array[] = [];
      let position = made.start;
      for (const batch of own) {
        const layout = new GroupLayout(position, salt, batch.header.durableSequence);
        layout.beginBatch();
        for (const record of batch.records) {
          const { kind, flags, tag, referenceCount, payloadLength, offset } = record;
          if (kind === RecordKind.blob && dead(record.key)) continue;
          const old = { segment: number, offset, payloadLength };
          const payload = reader.readSync(old, kind, record.key);
          const payloadChecksum = checksum(payload, salt);
          const key = record.key;
          const at = layout.addRecord({ kind, flags, tag, referenceCount, key, payload, payloadChecksum });
          this.places.set(id(old), { segment: made.id, offset: at, payloadLength });
        }
        position = layout.endBatch(batch.header.sequence, batch.header.time);
        pieces.push(...layout.pieces());
      }
      await made.write(pieces);
      this.made.push(made);
      end = own.at(-1)?.end ?? end;
    }
    reader.close();
  }

  /** Under the lock. @param forgotten whether rows are left that name the old place of their blob */
  repoint(index: Environment, forgotten: boolean): void {
    const to = (place: RecordPlace) => this.places.get(id(place));
    index.transactSync(() => {
      for (const { key, value } of [...index.entries({ start: Buffer.from([META_SPACE + 1]) })]) {
        if (key[0] === BLOB_SPACE) {
          const row = decodeBlobRow(value);
          const place = to(row.place);
          if (place) index.put(key, encodeBlobRow(place, row.referenceCount, row.condemned));
          else if (this.#wasMoved(row.place)) index.remove(key);
        } else index.put(key, encodeRow(this.#moved(decodeRow(value), forgotten)));
      }
    });
  }

  #moved(row: Row, forgotten: boolean): Row {
    const place = this.places.get(id(row.place)) ?? row.place;
    const blob = row.blob && !forgotten ? (this.places.get(id(row.blob)) ?? row.blob) : row.blob;
    return { ...row, place, blob };
  }

  #wasMoved({ segment }: RecordPlace): boolean {
    return this.made.some(({ header }) => header.number === Math.floor(segment));
  }
}

/** With the index of now, which another process may have open: under the lock. */
function withIndex<T>(action: (index: Environment) => T): T {
  const index = new Environment(indexFolder(home, lock.state()!.generation));
  try {
    return action(index);
  } finally {
    void index.close();
  }
}

/** "forgotten": rows are left that name the old place of their blob; "unmoved": all are, and nobody is told. */
type How = "" | "forgotten" | "unmoved";

/** @param only the number of the one segment to rewrite; all sealed ones without it */
async function compact(how: How, only?: number): Promise<number> {
  const { identity } = lock.state()!;
  const dead = await lock.hold(() =>
    withIndex((index) => {
      const rows = [...index.entries({ start: Buffer.from([BLOB_SPACE]) })];
      const digests = rows.filter(({ value }) => decodeBlobRow(value).referenceCount === 0);
      return new Set(digests.map(({ key }) => key.subarray(1).toString("hex")));
    }),
  );
  const move = new Move();
  await move.rewrite(identity, (digest) => dead.has(digest.toString("hex")), only);
  return lock.hold(() => {
    for (const made of move.made) made.publish();
    const state = lock.state()!;
    if (how === "unmoved") return state.logEpoch;
    withIndex((index) => move.repoint(index, how === "forgotten"));
    const logEpoch = state.logEpoch + 1;
    // What a mark says of the index is not so any more.
    const mark = join(indexFolder(home, state.generation), "trust.json");
    const { clean: _, checksum: __, ...boot } = JSON.parse(readFileSync(mark, "utf8"));
    writeFileSync(mark, JSON.stringify(boot));
    lock.setState({ ...state, logEpoch, indexUnclean: true });
    return logEpoch;
  });
}

let epoch = 0;
/** Whether all have gone along, by then. */
async function acknowledged(milliseconds: number): Promise<boolean> {
  await lock.acknowledge(() => epoch);
  for (const until = performance.now() + milliseconds; performance.now() < until; ) {
    if (lock.oldestEpoch() >= epoch) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return lock.oldestEpoch() >= epoch;
}

function retire(): number {
  const superseded = listSuperseded(files, folder).map((each) => segmentPath(folder, each));
  for (const path of superseded) unlinkSync(path);
  return superseded.filter((path) => !existsSync(path)).length;
}

const words: Record<string, (argument: string) => unknown> = {
  async compact(argument) {
    const [how, only] = argument.split(":");
    epoch = await compact(how as How, only === undefined ? undefined : Number(only));
    return epoch;
  },
  acknowledged: (milliseconds) => acknowledged(Number(milliseconds)),
  retire,
  /** Whether nobody has the lock who does not give it back. */
  free: () => lock.holdWithin(1_000, () => true).catch(() => false),
  async lease() {
    try {
      const lease = await lock.hold(() => lock.takeCompactor());
      void lease;
      return "taken";
    } catch (error) {
      return (error as Error).message;
    }
  },
};

await lock.hold(() => lock.register(false));
console.log(JSON.stringify({ ready: true }));
for await (const line of createInterface({ input: process.stdin })) {
  const [word, argument = ""] = line.split(" ");
  console.log(JSON.stringify(await words[word!]!(argument)));
}
await lock.hold(() => lock.unregister());
await lock.close();
process.exit(0);
