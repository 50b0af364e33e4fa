import { DIGEST_BYTES } from "../log/format.ts";
import type { FileReader, StoredFile } from "./file-reader.ts";
import { latin1 } from "./format.ts";
import type { NewPiece } from "./piece-writer.ts";
import type { FoundFile } from "./scan.ts";
import type { ReadFiles, ReadPiece } from "./second-capture.ts";

export interface TakenPiece extends NewPiece, Pick<ReadPiece, "fileCount" | "links" | "last"> {}

/** Keeps what the other thread has read, and has the pieces that come behind it name what it was kept as. */
export class PieceTaker {
  readonly #reader: FileReader;
  /** What the files since the last piece were stored as. */
  #references: Uint8Array[] = [];

  constructor(reader: FileReader) {
    this.#reader = reader;
  }

  async store(found: FoundFile): Promise<StoredFile> {
    const stored = await this.#reader.read(found);
    this.#references.push(stored.content.root ?? stored.content.digest);
    return stored;
  }

  async *pieces(answer: ReadFiles): AsyncGenerator<TakenPiece> {
    const files = new Files(answer);
    for (const piece of answer.pieces) {
      await this.#put(files, piece.filesUpTo);
      yield this.#taken(piece);
    }
    await this.#put(files, answer.lengths.length);
  }

  async #put(files: Files, upTo: number): Promise<void> {
    while (files.count < upTo) {
      const { bytes, digest } = files.next();
      const put = this.#reader.put(bytes, digest);
      this.#references.push(put instanceof Promise ? await put : put);
    }
  }

  #taken({ referenceCount, content, stamps, filesUpTo: _, ...others }: ReadPiece): TakenPiece {
    const all = this.#references;
    this.#references = [];
    // Two that are the same content are rare.
    const references = all.length === referenceCount ? all : eachOnce(all);
    return { ...others, node: { references, content }, stamps: { references: [], content: stamps } };
  }
}

/** Those of an answer, one after the other. */
class Files {
  readonly #answer: ReadFiles;
  count = 0;
  #at = 0;

  constructor(answer: ReadFiles) {
    this.#answer = answer;
  }

  /** Views of the answer. */
  next(): { bytes: Buffer; digest: Buffer } {
    const { contents, lengths, digests } = this.#answer;
    const length = lengths[this.count]!;
    const bytes = Buffer.from(contents.buffer, this.#at, length);
    const digest = Buffer.from(digests.buffer, this.count * DIGEST_BYTES, DIGEST_BYTES);
    this.#at += length;
    this.count++;
    return { bytes, digest };
  }
}

/** As a piece numbers them: by the first of each. */
function eachOnce(references: readonly Uint8Array[]): Uint8Array[] {
  const byText = new Map<string, Uint8Array>();
  for (const each of references) {
    const text = latin1(each);
    if (!byText.has(text)) byText.set(text, each);
  }
  return [...byText.values()];
}
