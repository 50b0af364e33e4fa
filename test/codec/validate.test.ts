import assert from "node:assert";
import fastCheck from "fast-check";
import { suite } from "uvu";
import { decodeValue, encodeValue } from "../../engine/codec/cbor.ts";
import { validateCbor } from "../../engine/codec/validate.ts";
import { VarveError } from "../../engine/errors.ts";
import { anyValue, errorOf, parameters } from "./support.ts";

const test = suite("cbor validator");

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
/** The tag in front of extended documents. */
const EXTENDED = "d9 ce41";

function invalid(hex: string, offset: number): void {
  const error = errorOf("CORRUPTION", () => validateCbor(bytesOf(hex)));
  assert.strictEqual(error.details?.offset, offset, `${hex}: ${error.message}`);
}

test("everything that encodeValue writes passes", () => {
  fastCheck.assert(
    fastCheck.property(anyValue, (value) => validateCbor(encodeValue(value))),
    parameters,
  );
});

test("damage is found, with its offset", () => {
  const cases: [name: string, hex: string, offset: number][] = [
    ["nothing", "", 0],
    ["bytes behind the value", "01 00", 1],
    ["an array without its items", "82 01", 0],
    ["an item that is missing", "82 81 01", 3],
    ["an argument that is cut off", "19 01", 0],
    ["a float that is cut off", "81 fb 00 00", 1],
    ["a text longer than what is left", "65 61 62", 0],
    ["a text of 2^64 - 1 bytes", "7b ff ff ff ff ff ff ff ff", 0],
    ["an array of 2^32 - 1 items", "9a ff ff ff ff", 0],
    ["a map of 2^63 entries", "bb 80 00 00 00 00 00 00 00", 0],
    ["a text that is not UTF-8", "81 62 c3 28", 1],
    ["a lone surrogate in UTF-8", "63 ed a0 80", 0],
    ["an indefinite array", "9f 01 ff", 0],
    ["an indefinite text", "7f 61 61 ff", 0],
    ["a break", "ff", 0],
    ["a reserved length", "1c", 0],
    ["an unknown simple value", "e5", 0],
    ["a simple value of two bytes", "f8 20", 0],
    ["a half float", "f9 3c 00", 0],
    ["bytes without a tag", "41 00", 0],
    ["a tag in a plain document", "c1 01", 0],
    ["a self-description", "d9 d9f7 01", 0],
    ["a record of cbor-x", "d9 dfff 83 01 81 61 61 02", 0],
    ["a bundle of strings of cbor-x", "d9 dff9 82 1a 00 00 00 00 01", 0],
    ["a big number in a plain document", "c2 41 01", 0],
    ["a number as key of a plain object", "a1 01 02", 1],
    ["the key __proto__ in a plain object", "a1 69 5f5f70726f746f5f5f 01", 1],
    ["a byte-order mark in a plain document", "64 ef bb bf 61", 0],
    ["the extended tag alone", EXTENDED, 3],
    ["the extended tag twice", `${EXTENDED} ${EXTENDED} 01`, 3],
    ["a tag of others", `${EXTENDED} d8 1b 82 61 61 61 62`, 3],
    ["a shared reference", `${EXTENDED} d8 1c 80`, 3],
    ["a regular expression", `${EXTENDED} d8 23 61 61`, 3],
    ["a set of a map", `${EXTENDED} d9 0102 a0`, 6],
    ["a map of an array", `${EXTENDED} d9 0103 80`, 6],
    ["a tag before a tag", `${EXTENDED} d9 0102 d9 0102 80`, 6],
    ["a tag before nothing", `${EXTENDED} d9 0102`, 6],
    ["a date of a text", `${EXTENDED} c1 61 61`, 4],
    ["a date of true", `${EXTENDED} c1 f5`, 4],
    ["a date of a bigint", `${EXTENDED} c1 1b 0000000000000001`, 4],
    ["a far date without milliseconds", `${EXTENDED} d9 03e9 a1 01 02`, 6],
    ["a far date with other parts", `${EXTENDED} d9 03e9 a2 01 02 03 04`, 6],
    ["a far date of texts", `${EXTENDED} d9 03e9 a2 01 60 22 60`, 6],
    ["a Float64Array of seven bytes", `${EXTENDED} d8 56 47 00000000000000`, 5],
    ["UTF-16 of three bytes", `${EXTENDED} d9 ce43 43 000000`, 6],
    ["an object with a number as key", `${EXTENDED} a1 01 02`, 4],
    ["a null-prototype object with bytes as key", `${EXTENDED} d9 ce42 a1 d8 40 41 00 02`, 7],
  ];
  for (const [, hex, offset] of cases) invalid(hex, offset);
});

test("nesting is limited, and a million levels need no stack", () => {
  const nested = (levels: number): Uint8Array =>
    Uint8Array.from([...new Array<number>(levels).fill(0x81), 0]);
  validateCbor(nested(1_000));
  assert.strictEqual(errorOf("CORRUPTION", () => validateCbor(nested(1_001))).details?.offset, 1_000);
  errorOf("CORRUPTION", () => validateCbor(Uint8Array.from({ length: 1_000_000 }, () => 0x81)));
});

test("big numbers take linear time: one of a megabyte is decoded at once", () => {
  const bytes = encodeValue((1n << 8_000_000n) - 1n);
  validateCbor(bytes);
  assert.strictEqual(decodeValue(bytes), (1n << 8_000_000n) - 1n);
});

/** What passes the validator must decode, and to something that can be saved; what does not must be CORRUPTION. */
function judge(bytes: Uint8Array): "valid" | "invalid" {
  try {
    validateCbor(bytes);
  } catch (error) {
    assert.ok(error instanceof VarveError && error.code === "CORRUPTION", String(error));
    return "invalid";
  }
  try {
    encodeValue(decodeValue(Uint8Array.from(bytes)));
  } catch (error) {
    // A valid document may hold a Float16Array, which older versions of Node.js do not have.
    if (!(error instanceof VarveError && error.code === "NOT_SUPPORTED")) throw error;
  }
  return "valid";
}

test("hostile bytes are refused with CORRUPTION or decode to a value that can be saved", () => {
  const byte = fastCheck.oneof(
    fastCheck.integer({ min: 0, max: 255 }),
    fastCheck.constantFrom(0x81, 0xa1, 0x61, 0xd9, 0xfb),
  );
  const noise = fastCheck.array(byte, { maxLength: 60 });
  fastCheck.assert(
    fastCheck.property(noise, fastCheck.boolean(), (bytes, extended) => {
      judge(Uint8Array.from(extended ? [0xd9, 0xce, 0x41, ...bytes] : bytes));
    }),
    { ...parameters, numRuns: 20_000 },
  );
});

test("documents that were cut or changed are refused with CORRUPTION or decode to a value that can be saved", () => {
  const counts = { valid: 0, invalid: 0 };
  fastCheck.assert(
    fastCheck.property(anyValue, fastCheck.nat(), fastCheck.nat(255), (value, place, byte) => {
      const bytes = Uint8Array.from(encodeValue(value));
      const at = place % bytes.length;
      errorOf("CORRUPTION", () => validateCbor(bytes.subarray(0, at)));
      bytes[at] = byte;
      counts[judge(bytes)]++;
    }),
    { ...parameters, numRuns: 5_000 },
  );
  assert.ok(counts.valid > 0 && counts.invalid > 0);
});

test("decodeValue reports what it can't read as CORRUPTION", () => {
  for (const hex of [
    "",
    "82 01",
    "01 02",
    EXTENDED,
    `${EXTENDED} 01 02`,
    `${EXTENDED} d8 1b 80`,
    `${EXTENDED} c1 61 61 00`,
  ]) {
    errorOf("CORRUPTION", () => decodeValue(bytesOf(hex)));
  }
});

test.run();
