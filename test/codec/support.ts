import fastCheck from "fast-check";
import { VarveError } from "../../engine/errors.ts";

const given = process.env.VARVE_TEST_SEED;
export const seed = given === undefined ? Math.floor(Math.random() * 0x7fff_ffff) : Number(given);
console.log(`codec tests: VARVE_TEST_SEED=${seed}`);

export const parameters = { seed, numRuns: 500 };

/** The error that `call` throws, which must be of this code. */
export function errorOf(code: VarveError["code"], call: () => unknown): VarveError {
  try {
    call();
  } catch (error) {
    if (error instanceof VarveError && error.code === code) return error;
    throw error;
  }
  throw new Error(`nothing was thrown where ${code} was expected`);
}

/** Any text: well-formed, with lone surrogates, with a byte-order mark in front, short and long. */
export const anyText = fastCheck.oneof(
  fastCheck.string({ unit: "binary", maxLength: 100 }),
  fastCheck.string({ unit: "grapheme", maxLength: 100 }),
  fastCheck
    .array(fastCheck.integer({ min: 0, max: 0xffff }), { maxLength: 80 })
    .map((units) => String.fromCharCode(...units)),
  fastCheck.string({ unit: "grapheme", maxLength: 100 }).map((text) => `\ufeff${text}`),
  fastCheck.constantFrom("__proto__", "constructor", "toJSON", "length", "then", "", "0", "-1", "01"),
);

const typedArrays = fastCheck.oneof(
  fastCheck.uint8Array(),
  fastCheck.uint8ClampedArray(),
  fastCheck.int8Array(),
  fastCheck.int16Array(),
  fastCheck.uint16Array(),
  fastCheck.int32Array(),
  fastCheck.uint32Array(),
  fastCheck.bigInt64Array(),
  fastCheck.bigUint64Array(),
  fastCheck.float32Array(),
  fastCheck.float64Array(),
);

const plainLeaf = fastCheck.oneof(
  fastCheck.constantFrom(null, undefined, true, false, -0, Number.NaN, Number.MAX_SAFE_INTEGER, 5e-324),
  fastCheck.integer(),
  fastCheck.maxSafeInteger(),
  fastCheck.double(),
  fastCheck.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }),
  fastCheck.string({ maxLength: 90 }),
);

const anyLeaf = fastCheck.oneof(
  plainLeaf,
  anyText,
  fastCheck.bigInt(),
  fastCheck.date({ noInvalidDate: true }),
  typedArrays,
  fastCheck.uint8Array().map((bytes) => bytes.buffer.slice(0, bytes.length)),
  fastCheck.uint8Array().map((bytes) => new DataView(Uint8Array.from(bytes).buffer)),
);

function objectOf(entries: readonly (readonly [string, unknown])[], prototype: object | null): object {
  const object = Object.create(prototype) as object;
  for (const [key, value] of entries) {
    Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  }
  return object;
}

/** Every kind of value that is kept. */
export const anyValue: fastCheck.Arbitrary<unknown> = fastCheck.letrec((tie) => ({
  value: fastCheck.oneof(
    { depthSize: "small", withCrossShrink: true },
    anyLeaf,
    fastCheck.array(tie("value"), { maxLength: 8 }),
    fastCheck
      .array(fastCheck.tuple(anyText, tie("value")), { maxLength: 8 })
      .map((all) => objectOf(all, Object.prototype)),
    fastCheck
      .array(fastCheck.tuple(anyText, tie("value")), { maxLength: 4 })
      .map((all) => objectOf(all, null)),
    fastCheck.array(fastCheck.tuple(tie("value"), tie("value")), { maxLength: 4 }).map((all) => new Map(all)),
    fastCheck.array(tie("value"), { maxLength: 4 }).map((all) => new Set(all)),
  ),
})).value;

/** What any JSON library would keep too. */
export const plainValue = fastCheck.letrec((tie) => ({
  value: fastCheck.oneof(
    { depthSize: "medium" },
    fastCheck.constantFrom(null, undefined, true, false),
    fastCheck.integer(),
    fastCheck.double({ noNaN: true }).filter((number) => !Object.is(number, -0)),
    fastCheck.string({ unit: "grapheme", maxLength: 90 }).filter((text) => !text.startsWith("\ufeff")),
    fastCheck.array(tie("value"), { maxLength: 30 }),
    fastCheck.dictionary(
      fastCheck.string({ maxLength: 12 }).filter((key) => key !== "__proto__"),
      tie("value"),
      {
        maxKeys: 40,
        noNullPrototype: true,
      },
    ),
  ),
})).value as fastCheck.Arbitrary<unknown>;
