/** Bytes are seen four at once, at any place: to copy or compare few of them takes less than half as long as one by one. */

const WORD_BYTES = 4;
/** To copy more is faster with a call, though that makes arrays for it. */
const FEW_BYTES = 96;

export function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** The view of bytes that are mostly those that were asked for before. */
export class LastView {
  #bytes: Uint8Array | undefined;
  #view: DataView = new DataView(new ArrayBuffer(0));

  of(bytes: Uint8Array): DataView {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = viewOf(bytes);
    }
    return this.#view;
  }
}

export function copyBytes(from: DataView, fromAt: number, to: DataView, toAt: number, length: number): void {
  if (length > FEW_BYTES) {
    bytesIn(to, toAt, length).set(bytesIn(from, fromAt, length));
    return;
  }
  let done = 0;
  for (; done + WORD_BYTES <= length; done += WORD_BYTES)
    to.setInt32(toAt + done, from.getInt32(fromAt + done, true), true);
  for (; done < length; done++) to.setUint8(toAt + done, from.getUint8(fromAt + done));
}

function bytesIn(view: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, length);
}

/** Whether so many bytes are the same, a multiple of four. */
export function areSameWords(a: DataView, aAt: number, b: DataView, bAt: number, length: number): boolean {
  for (let i = 0; i < length; i += WORD_BYTES)
    if (a.getInt32(aAt + i, true) !== b.getInt32(bAt + i, true)) return false;
  return true;
}
