import { VarveError } from "./errors.ts";
import type { Row } from "./index/rows.ts";
import type { IndexView } from "./index-view.ts";
import { RecordKind } from "./log/format.ts";
import type { LogReader } from "./log/reader.ts";

/** The bytes of blobs: from where a row says that they lie, or from a copy that was written since. */
export class BlobReader {
  readonly #reader: LogReader;
  readonly #view: IndexView;

  constructor(reader: LogReader, view: IndexView) {
    this.#reader = reader;
    this.#view = view;
  }

  /** The bytes of the first blob that a row refers to. */
  of(row: Row): Buffer | Promise<Buffer> {
    if (!row.blob) return this.#late(row);
    try {
      const bytes = this.#reader.read(row.blob, RecordKind.blob, row.references[0]!);
      return bytes instanceof Promise ? bytes.catch((error) => this.#otherCopy(row, error)) : bytes;
    } catch (error) {
      return this.#otherCopy(row, error);
    }
  }

  /** As `of`, but small ones may come in a buffer that the next read overwrites. */
  toDecode(row: Row): Buffer | Promise<Buffer> {
    if (!row.blob) return this.#late(row);
    try {
      return this.#reader.readShared(row.blob, RecordKind.blob, row.references[0]!) ?? this.of(row);
    } catch {
      return this.of(row);
    }
  }

  /** @throws CORRUPTION when there is no such blob. */
  byDigest(digest: Buffer): Buffer | Promise<Buffer> {
    const known = this.#view.catalog.blob(digest);
    if (known) return this.#reader.read(known.place, RecordKind.blob, digest);
    throw new VarveError(
      "CORRUPTION",
      `the blob sha256:${digest.toString("hex")} is missing from the index`,
      {
        hint: "rebuild the index from the log: `varve rebuild`",
      },
    );
  }

  /** A blob whose batch was lost may have been saved again since the row was. */
  #late(row: Row): Buffer | Promise<Buffer> {
    const [digest] = row.references;
    if (digest && this.#view.catalog.blob(digest)) return this.byDigest(digest);
    throw damagedRow(row);
  }

  /** A blob that was found damaged may have been written again since the row was. */
  #otherCopy(row: Row, error: unknown): Buffer | Promise<Buffer> {
    const known = this.#view.catalog.blob(row.references[0]!);
    const other =
      known && (known.place.segment !== row.blob!.segment || known.place.offset !== row.blob!.offset);
    if (!other) throw error;
    return this.#reader.read(known.place, RecordKind.blob, row.references[0]!);
  }
}

/** The record that the row was made from is damaged, so nobody knows which blob it meant. */
function damagedRow({ place: { segment, offset } }: Row): VarveError {
  return new VarveError("CORRUPTION", `damaged record at offset ${offset} of segment ${segment}`, {
    hint: "`varve verify` lists all damage; other artifacts stay readable",
    details: { segment, offset },
  });
}
