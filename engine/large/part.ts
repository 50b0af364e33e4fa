import { nodeKey } from "../artifact-key.ts";
import type { Seal } from "../chunk/chunks.ts";
import type { EngineCore } from "../engine.ts";
import { isCorruption, VarveError } from "../errors.ts";
import type { Row, RowsAndBlobs } from "../index/rows.ts";
import { checksum } from "../log/checksum.ts";
import type { PreparedBlob, Transaction } from "../transaction.ts";
import { preparePayload } from "../transaction.ts";

/** A blob that is a value, or a part of one. */
export interface Part {
  digest: Buffer;
  bytes: Uint8Array;
  /** Blobs that this one names, at least one: they are needed as long as it is. */
  references?: readonly Buffer[] | undefined;
  /** Where the memory is the caller's, who may change it against the rules: looked at again when it is written. */
  seal?: Seal | undefined;
  /** The store has it, but it can't be read there. */
  isDamaged?: boolean;
  /** To be called once the store has them: see `Chunk`. */
  release?: (() => void) | undefined;
}

/** A part, with its checksum taken. */
export type PreparedPart = Part & PreparedBlob;

/** A record can name 255; a row of so many fills two pages of the index. */
export const REFERENCES_PER_ROW = 250;
const NOTHING = new Uint8Array();

/** Of bytes in the caller's memory, together with their digest. */
export function sealWith(core: EngineCore): (bytes: Uint8Array) => Seal {
  return (bytes) => {
    const { salt } = core;
    return { salt, checksum: checksum(bytes, salt) };
  };
}

export function preparePart(core: EngineCore, part: Part): PreparedPart {
  const { digest, bytes, references, seal, release } = part;
  const salt = seal ? seal.salt : core.salt;
  const sum = seal ? seal.checksum : checksum(bytes, salt);
  return { digest, bytes, references, seal, isDamaged: false, release, salt, checksum: sum };
}

/** "stored": the store has it, whole and with all that it names, so that it need not be written. */
export type PartState = "stored" | "damaged" | "absent";

export async function stateOf(core: EngineCore, { digest, bytes, references }: Part): Promise<PartState> {
  const known = core.catalog.blob(digest);
  if (!known) return "absent";
  if (known.place.payloadLength !== bytes.length) return "damaged";
  if (references && !core.catalog.has(nodeKey(digest))) return "absent";
  try {
    await core.blobByDigest(digest);
    return "stored";
  } catch (error) {
    // Damaged, or moved just now: the bytes in hand are written again rather than lost.
    if (!isCorruption(error)) throw error;
    return "damaged";
  }
}

/** Under the lock. What it names must be there, and be needed by something, until this is. */
export function putPart(transaction: Transaction, part: PreparedPart): void {
  if (part.seal && checksum(part.bytes, part.salt) !== part.checksum) throw changedMeanwhile();
  if (part.isDamaged) transaction.writeBlob(part);
  else transaction.putBlob(part);
  if (part.references) putNode(transaction, part.digest, part.references);
}

/** What a node names is needed from now on, until the node is not. */
function putNode(transaction: Transaction, digest: Buffer, references: readonly Buffer[]): void {
  if (transaction.row(nodeKey(digest))) return;
  for (let from = 0, part = 0; from < references.length; from += REFERENCES_PER_ROW, part++) {
    const some = references.slice(from, from + REFERENCES_PER_ROW);
    transaction.put(nodeKey(digest, part), preparePayload(some, NOTHING, 0n), { isNew: true });
  }
}

/** The rows of a node, the first one first. */
export function* nodeRows(
  rows: Pick<RowsAndBlobs, "row">,
  digest: Uint8Array,
): Generator<{ key: Buffer; row: Row }> {
  for (let part = 0; ; part++) {
    const key = nodeKey(digest, part);
    const row = rows.row(key);
    if (!row) return;
    yield { key, row };
  }
}

export function changedMeanwhile(): VarveError {
  return new VarveError("CONFLICT", "the bytes were changed while they were being saved", {
    hint: "leave bytes above 1 MiB unchanged until the promise settles, or save a copy of them",
  });
}
