import assert from "node:assert";
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import type { Codec } from "../../engine/api.ts";
import { decodeBytes, isByteValue } from "../../engine/codec/bytes.ts";
import { CodecRegistry, MEDIA_TYPE_BYTES, MEDIA_TYPE_CBOR } from "../../engine/codec/codec.ts";
import { VarveError } from "../../engine/errors.ts";
import { errorOf, seed } from "./support.ts";

const test = suite("codecs");

class Point {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
}

const points: Codec = {
  mediaType: "application/vnd.test.point",
  accepts: (value) => value instanceof Point,
  encode: (value) => Buffer.from(String((value as Point).x)),
  decode: (bytes) => new Point(Number(Buffer.from(bytes).toString())),
};

test("user codecs are asked first, then bytes, then cbor", () => {
  const registry = new CodecRegistry([points]);
  assert.strictEqual(registry.forValue(new Point(1)).mediaType, points.mediaType);
  assert.strictEqual(registry.forValue(Buffer.from("a")).mediaType, MEDIA_TYPE_BYTES);
  assert.strictEqual(registry.forValue(new Uint8Array(2)).mediaType, MEDIA_TYPE_BYTES);
  for (const value of ["text", new ArrayBuffer(2), new Float32Array(2), { a: 1 }, null, undefined]) {
    assert.strictEqual(registry.forValue(value).mediaType, MEDIA_TYPE_CBOR);
  }
});

test("a value goes through a user codec and back", () => {
  const registry = new CodecRegistry([points]);
  const bytes = registry.forValue(new Point(7)).encode(new Point(7));
  assert.deepStrictEqual(registry.forStored(points.mediaType).decode(bytes), new Point(7));
});

test("a codec can be named by its media type or given", () => {
  const { accepts: _, ...silent } = points;
  const registry = new CodecRegistry([silent]);
  assert.strictEqual(registry.forValue(new Point(1)).mediaType, MEDIA_TYPE_CBOR);
  assert.strictEqual(registry.forValue(new Point(1), points.mediaType).mediaType, points.mediaType);
  assert.strictEqual(new CodecRegistry().forValue(1, points).mediaType, points.mediaType);
  assert.strictEqual(registry.forValue(new Uint8Array(1), MEDIA_TYPE_CBOR).mediaType, MEDIA_TYPE_CBOR);
  const error = errorOf("INVALID_ARGUMENT", () => registry.forValue(1, "application/unknown"));
  assert.ok(error.hint?.includes(points.mediaType));
});

test("an unknown media type is loaded as bytes", () => {
  const registry = new CodecRegistry();
  assert.strictEqual(registry.forMediaType("image/png"), undefined);
  assert.deepStrictEqual(registry.forStored("image/png").decode(Uint8Array.from([1])), Uint8Array.from([1]));
});

test("codecs of a wrong shape, doubles and built-in media types are INVALID_ARGUMENT", () => {
  const { mediaType, encode, decode } = points;
  const wrong: unknown[] = [
    null,
    "application/json",
    {},
    { mediaType: "json", encode, decode },
    { mediaType, encode },
    { mediaType, decode },
    { mediaType, encode, decode, accepts: true },
    { mediaType: MEDIA_TYPE_CBOR, encode, decode },
    { mediaType: MEDIA_TYPE_BYTES, encode, decode },
  ];
  for (const codec of wrong) {
    errorOf("INVALID_ARGUMENT", () => new CodecRegistry([codec as Codec]));
    if (typeof codec === "object" && codec !== null) {
      errorOf("INVALID_ARGUMENT", () => new CodecRegistry().forValue(1, codec as Codec));
    }
  }
  errorOf("INVALID_ARGUMENT", () => new CodecRegistry([points, { ...points }]));
});

test("a failing user codec is UNSUPPORTED_VALUE with its cause, in decode too since the stored bytes are intact", () => {
  const cause = new Error("bad luck");
  const fail = (): never => {
    throw cause;
  };
  const codec = new CodecRegistry().forValue(1, { mediaType: "a/b", encode: fail, decode: fail });
  assert.strictEqual(errorOf("UNSUPPORTED_VALUE", () => codec.encode(1)).cause, cause);
  const error = errorOf("UNSUPPORTED_VALUE", () => codec.decode(new Uint8Array()));
  assert.strictEqual(error.cause, cause);
  assert.ok(error.hint?.includes("intact"));
  const own = new VarveError("NOT_SUPPORTED", "mine");
  const passing: Codec = {
    mediaType: "a/b",
    decode: fail,
    encode: () => {
      throw own;
    },
  };
  assert.strictEqual(
    errorOf("NOT_SUPPORTED", () => new CodecRegistry().forValue(1, passing).encode(1)),
    own,
  );
  errorOf("UNSUPPORTED_VALUE", () => new CodecRegistry([{ ...points, accepts: fail }]).forValue(1));
});

test("a user codec must give bytes at once, and they are copied", () => {
  const encodeWith = (result: unknown): Uint8Array =>
    new CodecRegistry()
      .forValue(1, { mediaType: "a/b", encode: () => result as Uint8Array, decode: (bytes) => bytes })
      .encode(1);
  for (const result of ["text", undefined, Promise.resolve(new Uint8Array()), new Float32Array(1)]) {
    errorOf("UNSUPPORTED_VALUE", () => encodeWith(result));
  }
  const memory = Uint8Array.from([1, 2]);
  const encoded = encodeWith(memory);
  memory[0] = 9;
  assert.deepStrictEqual(encoded, Uint8Array.from([1, 2]));
});

test("bytes are copied at the call and load into memory of their own", () => {
  const codec = new CodecRegistry().forMediaType(MEDIA_TYPE_BYTES)!;
  const value = Buffer.from("hello");
  const encoded = codec.encode(value);
  value.fill(0);
  assert.strictEqual(Buffer.from(encoded).toString(), "hello");
  const stored = Buffer.concat([Buffer.from("xx"), encoded]).subarray(2);
  const loaded = codec.decode(stored) as Uint8Array;
  assert.strictEqual(Object.getPrototypeOf(loaded), Uint8Array.prototype);
  assert.strictEqual(loaded.buffer.byteLength, 5);
  loaded.fill(1);
  assert.strictEqual(stored.toString(), "hello");
  const alone = new Uint8Array(3);
  assert.strictEqual(decodeBytes(alone), alone);
});

test("only plain byte arrays are byte values, and only those can be saved as bytes", () => {
  class Derived extends Uint8Array {}
  const others = [
    "text",
    [1],
    new ArrayBuffer(1),
    new Uint16Array(1),
    new Derived(1),
    Object.assign(new Uint8Array(1), { a: 1 }),
    null,
  ];
  const codec = new CodecRegistry().forMediaType(MEDIA_TYPE_BYTES)!;
  for (const other of others) {
    assert.ok(!isByteValue(other));
    errorOf("UNSUPPORTED_VALUE", () => codec.encode(other));
  }
  errorOf("UNSUPPORTED_VALUE", () => codec.encode(new Uint8Array(new SharedArrayBuffer(1))));
  const gone = new Uint8Array(4);
  structuredClone(gone, { transfer: [gone.buffer] });
  errorOf("UNSUPPORTED_VALUE", () => codec.encode(gone));
});

test("all values come back the same without the native part of cbor-x, and whatever others registered in cbor-x", () => {
  const run = (file: string, environment: Record<string, string>): void => {
    const path = fileURLToPath(new URL(file, import.meta.url));
    const env = { ...process.env, VARVE_TEST_SEED: String(seed), ...environment };
    execFileSync(process.execPath, ["--import", "tsx", path], { env, stdio: "pipe" });
  };
  run("./cbor.test.ts", { CBOR_NATIVE_ACCELERATION_DISABLED: "true" });
  run("./extensions.ts", {});
});

test.run();
