import { DIGEST_BYTES } from "./log/format.ts";

const SLOTS_MIN = 16;
const GROWTH = 4;

/** Gives digests numbers, from 0 on, without an object for each: about 50 bytes a digest. */
export class DigestTable {
  #digests = new Uint8Array((SLOTS_MIN / 2) * DIGEST_BYTES);
  /** The number of a digest and one more, at the place that its first bits say or the next free one behind that. */
  #slots = new Uint32Array(SLOTS_MIN);
  #bits = Math.log2(SLOTS_MIN);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The number of the digest at `start` of `bytes`, which gets one if it has none. */
  add(bytes: Uint8Array, start: number): number {
    const slot = this.#slotOf(bytes, start);
    const known = this.#slots[slot]!;
    if (known > 0) return known - 1;
    const number = this.#count++;
    const digests = this.#digests;
    const at = number * DIGEST_BYTES;
    // Byte by byte: a view of them would take longer to make.
    for (let i = 0; i < DIGEST_BYTES; i++) digests[at + i] = bytes[start + i]!;
    this.#slots[slot] = this.#count;
    if (this.#count * 2 >= this.#slots.length) this.#grow();
    return number;
  }

  /** A view. */
  digest(number: number): Uint8Array {
    return this.#digests.subarray(number * DIGEST_BYTES, (number + 1) * DIGEST_BYTES);
  }

  /** Its slot, or the free one where it belongs. By the first bits, so that digests in order meet slots in order. */
  #slotOf(bytes: Uint8Array, start: number): number {
    const slots = this.#slots;
    const first =
      ((bytes[start]! << 24) | (bytes[start + 1]! << 16) | (bytes[start + 2]! << 8) | bytes[start + 3]!) >>>
      0;
    const last = slots.length - 1;
    let slot = first >>> (32 - this.#bits);
    while (slots[slot]! > 0 && !this.#isAt(slots[slot]! - 1, bytes, start)) slot = (slot + 1) & last;
    return slot;
  }

  #isAt(number: number, bytes: Uint8Array, start: number): boolean {
    const digests = this.#digests;
    const at = number * DIGEST_BYTES;
    for (let i = 0; i < DIGEST_BYTES; i++) if (digests[at + i] !== bytes[start + i]) return false;
    return true;
  }

  #grow(): void {
    const digests = new Uint8Array(this.#digests.length * GROWTH);
    digests.set(this.#digests);
    this.#digests = digests;
    this.#slots = new Uint32Array(this.#slots.length * GROWTH);
    this.#bits += Math.log2(GROWTH);
    for (let number = 0; number < this.#count; number++)
      this.#slots[this.#slotOf(digests, number * DIGEST_BYTES)] = number + 1;
  }
}
