import type { Progress, VerifyOptions, VerifyReport } from "../api.ts";
import { signalOf } from "../call-options.ts";
import { VarveError } from "../errors.ts";
import { Pace } from "../maintenance/pace.ts";
import type { BlobStore } from "../ports/blob-store.ts";
import type { MetadataStore } from "../ports/metadata-store.ts";
import { takeVerifyOptions } from "../verify.ts";
import type { BlobProblem } from "./check-blobs.ts";
import { BlobCheck } from "./check-blobs.ts";
import { everyVersion } from "./every-version.ts";

type Mode = "live" | "deleted";

/** Where a verification goes on. */
interface Cursor {
  full: boolean;
  mode: Mode;
  /** The last version that was looked at. */
  after?: { name: string; version: number };
  /** Versions that were looked at so far. */
  done: number;
}

/** Looks at every version: whether its bytes are there, with the right number of them and, if that is asked for, the right digest. */
export async function verifyBlobs(
  metadata: MetadataStore,
  blobs: BlobStore,
  options: VerifyOptions,
): Promise<VerifyReport> {
  const taken = takeVerifyOptions(options);
  const start = taken.after === undefined ? undefined : decodeCursor(taken.after, metadata.storeId);
  const full = taken.full ?? start?.full ?? false;
  const check = new BlobCheck(metadata, blobs, { full, signal: taken.signal });
  const walk = new Walk(metadata, check, new Pace(taken), { ...(start ?? { mode: "live", done: 0 }), full });
  const next = await walk.run();
  const rows = next ? [] : await metadata.check(signalOf(taken));
  const problems = [
    ...[...check.problems].map(told),
    ...rows.map((message) => ({ kind: "index" as const, message })),
  ];
  return {
    ok: problems.length === 0,
    segments: 0,
    batches: 0,
    records: walk.looked,
    blobs: check.blobs,
    bytes: check.bytes,
    healed: 0,
    problems,
    complete: next === undefined,
    ...(next && { next: encodeCursor(next, metadata.storeId) }),
    progress: walk.progress,
  };
}

/** What is wrong with blobs that versions need. Every byte is read. */
export async function damagedBlobs(
  metadata: MetadataStore,
  blobs: BlobStore,
  { signal, onProgress }: Pick<VerifyOptions, "signal" | "onProgress">,
): Promise<BlobProblem[]> {
  const check = new BlobCheck(metadata, blobs, { full: true, signal });
  const pace = new Pace({ signal, onProgress });
  await new Walk(metadata, check, pace, { full: true, mode: "live", done: 0 }).run();
  return [...check.problems];
}

/** A problem as users are told of it. */
export function told({ kind, message, refs }: BlobProblem): {
  kind: BlobProblem["kind"];
  message: string;
  refs: string[];
} {
  return { kind, message, refs };
}

class Walk {
  readonly #metadata: MetadataStore;
  readonly #check: BlobCheck;
  readonly #pace: Pace;
  readonly #cursor: Cursor;
  #total = 0;
  looked = 0;

  constructor(metadata: MetadataStore, check: BlobCheck, pace: Pace, cursor: Cursor) {
    this.#metadata = metadata;
    this.#check = check;
    this.#pace = pace;
    this.#cursor = cursor;
  }

  get progress(): Progress {
    const done = this.#cursor.done;
    return { phase: "looking at versions", done, total: Math.max(done, this.#total), unit: "artifacts" };
  }

  /** Where to go on, if time was over before the end. */
  async run(): Promise<Cursor | undefined> {
    const { versions, deletedVersions } = await this.#metadata.counts();
    this.#total = versions + deletedVersions;
    if (this.#cursor.mode === "live") {
      if (await this.#look("live")) return this.#cursor;
      this.#cursor.mode = "deleted";
      delete this.#cursor.after;
    }
    return (await this.#look("deleted")) ? this.#cursor : undefined;
  }

  /** Whether time was over. At least one version is looked at. */
  async #look(mode: Mode): Promise<boolean> {
    const cursor = this.#cursor;
    for await (const record of everyVersion(this.#metadata, mode, undefined, cursor.after)) {
      if (this.looked > 0 && this.#pace.isOver()) return true;
      cursor.after = { name: record.name, version: record.version };
      // What was forgotten has no bytes any more.
      if (record.isForgotten) continue;
      await this.#check.version(record);
      this.looked++;
      cursor.done++;
      this.#pace.tell(this.progress);
      if (this.#pace.isDue()) await this.#pace.turn();
    }
    return false;
  }
}

/** As a text for users, who need not know what is in it. */
function encodeCursor({ full, mode, after, done }: Cursor, storeId: string): string {
  const { name, version } = after ?? {};
  return Buffer.from(JSON.stringify([storeId, full, mode, name, version, done])).toString("base64url");
}

/** @throws INVALID_ARGUMENT for what is no cursor, or that of another store */
function decodeCursor(text: string, storeId: string): Cursor {
  const [id, full, mode, name, version, done] = parsed(text);
  const isSound =
    typeof full === "boolean" && Number.isSafeInteger(done) && (mode === "live" || mode === "deleted");
  // Where the deleted ones begin there is none.
  const isPlace = typeof name === "string" ? Number.isSafeInteger(version) : name === null;
  if (typeof id !== "string" || !isSound || !isPlace) throw notHere("it is no `next` of a report of verify");
  if (id !== storeId) throw notHere("it is of another store");
  const after = typeof name === "string" ? { name, version: version as number } : undefined;
  return { full, mode, done: done as number, ...(after && { after }) };
}

function parsed(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

function notHere(why: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", `verify can't go on there: ${why}`, {
    hint: "give `after` the `next` of the report before, or leave it out to begin anew",
  });
}
