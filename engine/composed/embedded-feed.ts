import type { Code } from "../api.ts";
import { isAliasKey, isVersionKey, parseAliasKey, parseVersionKey } from "../artifact-key.ts";
import type { VersionContent } from "../artifact-record.ts";
import {
  decodeAliasContent,
  decodeVersionContent,
  isDeleted,
  isRewritten,
  ValuePlace,
  valuePlace,
} from "../artifact-record.ts";
import type { EngineCore } from "../engine.ts";
import { isCorruption, throwIfAborted, VarveError } from "../errors.ts";
import { horizonOf } from "../forget.ts";
import type { Row } from "../index/rows.ts";
import { NOT_CACHED } from "../index/rows.ts";
import { DIGEST_BYTES, RecordKind } from "../log/format.ts";
import type { LogProblem, ScannedBatch, ScannedRecord } from "../log/scan.ts";
import { entryPosition, scanLog } from "../log/scan.ts";
import type { LogPosition } from "../log/segment.ts";
import { LOG_START, listSegments, segmentText } from "../log/segment.ts";
import { logFolder } from "../maintenance/home.ts";
import { operationState } from "../operation-state.ts";
import type { OperationRecord } from "../ports/metadata-store.ts";
import { behindHorizon } from "../refusals.ts";
import type { Versions } from "../versions.ts";
import { recordFrom } from "./embedded-record.ts";

/** For so many, the files of the log are held in their places. */
const PAGE_OPERATIONS = 256;
const PAGE_BATCHES = 1_024;

/** A record of the log that is an operation, copied out of it. */
interface LoggedRecord {
  sequence: number;
  time: number;
  key: Buffer;
  /** Undefined for a delete record. */
  row: Row | undefined;
}

/**
 * The operations behind `after`, in the order of the log, up to those that are committed when it begins.
 * @throws NOT_FOUND once one that was to come is forgotten
 */
export async function* operationsBehind(
  core: EngineCore,
  versions: Versions,
  after: number,
  signal?: AbortSignal,
): AsyncGenerator<OperationRecord[]> {
  const feed = new Feed(core, versions, after, await newestSequence(core));
  while (!feed.isDone) {
    throwIfAborted(signal);
    const page = await feed.page();
    if (page.length > 0) yield page;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

async function newestSequence(core: EngineCore): Promise<number> {
  const snapshot = await core.reading(() => core.snapshot());
  const { sequence } = snapshot;
  snapshot.close();
  return sequence;
}

class Feed {
  isDone: boolean;
  readonly #core: EngineCore;
  readonly #versions: Versions;
  readonly #after: number;
  readonly #newest: number;
  /** Behind what was read. */
  #position: LogPosition | undefined;
  /** The operation up to which all was read. */
  #read: number;

  constructor(core: EngineCore, versions: Versions, after: number, newest: number) {
    this.#core = core;
    this.#versions = versions;
    this.#after = after;
    this.#newest = newest;
    this.#read = after;
    this.isDone = newest <= after;
  }

  async page(): Promise<OperationRecord[]> {
    const read = this.#read;
    const release = this.#core.holdEpoch();
    let records: LoggedRecord[];
    try {
      records = this.#scan();
    } finally {
      release();
    }
    const horizon = horizonOf(this.#core);
    if (horizon > read) throw behindHorizon(read, horizon);
    const operations: OperationRecord[] = [];
    for (const record of records) {
      const operation = await this.#operation(record);
      if (operation) operations.push(operation);
    }
    return operations;
  }

  #scan(): LoggedRecord[] {
    const { reader, identity, folder, settings } = this.#core;
    const ids = listSegments(settings.files, logFolder(folder), identity);
    const durable = Math.min(this.#core.sharedState().durableSequence, this.#newest);
    const scan = scanLog(reader, ids, this.#position ?? this.#start(ids), durable);
    const records: LoggedRecord[] = [];
    try {
      for (let batches = 0; records.length < PAGE_OPERATIONS && batches < PAGE_BATCHES; batches++) {
        const { done, value } = scan.next();
        this.isDone = done === true || this.#isEnd(value);
        if (done || ("batch" in value && value.batch.header.sequence > this.#newest)) break;
        if ("problem" in value) throw damaged(value.problem);
        this.#take(value.batch, records);
        if (this.isDone) break;
      }
    } finally {
      scan.return({ position: LOG_START, torn: false });
    }
    return records;
  }

  #isEnd(found: { batch: ScannedBatch } | { problem: LogProblem } | object): boolean {
    return "batch" in found && found.batch.header.sequence >= this.#newest;
  }

  /** The segments in which everything is known are passed over. */
  #start(ids: readonly number[]): LogPosition {
    const { reader } = this.#core;
    for (const id of ids.toReversed()) {
      const segment = reader.readableSegment(id);
      if (segment && segment.header.previousSequence <= this.#after) return entryPosition(segment);
    }
    return LOG_START;
  }

  #take({ header, records, end }: ScannedBatch, into: LoggedRecord[]): void {
    this.#position = end;
    if (header.sequence <= this.#after) return;
    this.#read = header.sequence;
    const { sequence, time } = header;
    for (const record of records) {
      if (record.kind === RecordKind.blob || !(isVersionKey(record.key) || isAliasKey(record.key))) continue;
      const { segment, offset } = record;
      if (!record.sound) throw damaged({ segment, offset, message: "a checksum does not fit" });
      const row = record.kind === RecordKind.put ? this.#row(record, sequence, time) : undefined;
      into.push({ sequence, time, key: record.key, row });
    }
  }

  /** As it was put into the index then. */
  #row(record: ScannedRecord, sequence: number, time: number): Row {
    const { segment, offset, payloadLength, tag, referenceCount } = record;
    const payload = record.payload!;
    const references = Array.from({ length: referenceCount }, (_, i) =>
      payload.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES),
    );
    const [first] = references;
    return {
      ...{ sequence, time, tag, weak: false, references, cachedAt: NOT_CACHED },
      place: { segment, offset, payloadLength },
      blob: first && this.#core.blobRow(first)?.place,
      inline: payload.subarray(referenceCount * DIGEST_BYTES),
    };
  }

  /** Undefined for what changes nothing that users see: that a version's bytes were forgotten, or its record. */
  async #operation({ sequence, time, key, row }: LoggedRecord): Promise<OperationRecord | undefined> {
    const unsettled = row && this.#core.settle(row);
    if (unsettled) await unsettled;
    if (isAliasKey(key)) {
      const version = row && decodeAliasContent(row.inline!);
      return {
        sequence,
        time,
        kind: "alias",
        ...parseAliasKey(key),
        ...(version !== undefined && { version }),
      };
    }
    if (!row) return undefined;
    const content = decodeVersionContent(row.inline!);
    if (valuePlace(row) === ValuePlace.collected && content.change !== "purge") return undefined;
    const { name, version } = parseVersionKey(key);
    const environment = await this.#versions.environmentOf(content);
    const code = await this.#code(key, row, content);
    const record = recordFrom({ name, version, row, content, aliases: [], code, environment }, this.#core);
    return { sequence, time, kind: kindOf(row, content), name, version, state: operationState(record) };
  }

  /** Undefined where it was compacted away, with the version or another state of it. */
  async #code(key: Buffer, row: Row, content: VersionContent): Promise<Code | undefined> {
    try {
      return await this.#versions.codeOf({ ...parseVersionKey(key), key, row }, content);
    } catch (error) {
      if (!isCorruption(error)) throw error;
      return undefined;
    }
  }
}

function kindOf(row: Row, { change }: VersionContent): OperationRecord["kind"] {
  if (!isRewritten(row)) return "save";
  if (isDeleted(row)) return change === "prune" ? "prune" : "delete";
  return change === "undelete" || change === "move" ? change : "annotate";
}

/** Whoever follows must not take what is lost for what never was. */
function damaged({
  segment,
  offset,
  message,
}: Pick<LogProblem, "segment" | "offset" | "message">): VarveError {
  return new VarveError("CORRUPTION", `operations of the log can't be read: ${message}`, {
    hint: "`varve verify` tells what is damaged, `varve repair` restores what it can",
    details: { file: segmentText(segment), offset },
  });
}
