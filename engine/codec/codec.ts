/** Which codec turns a value into bytes, and which turns the bytes of a media type back. */
import type { Codec } from "../api.ts";
import { VarveError } from "../errors.ts";
import { bytesCodec, isByteValue, MEDIA_TYPE_BYTES } from "./bytes.ts";
import { cborCodec, MEDIA_TYPE_CBOR } from "./cbor.ts";

export { MEDIA_TYPE_BYTES, MEDIA_TYPE_CBOR };

const MEDIA_TYPE = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(\s*;.*)?$/;

/** The codecs of one store: the user's and the two built-in ones. Those it gives out throw nothing but `VarveError`. */
export class CodecRegistry {
  readonly #user: readonly Codec[];
  readonly #byMediaType = new Map<string, Codec>([
    [MEDIA_TYPE_CBOR, cborCodec],
    [MEDIA_TYPE_BYTES, bytesCodec],
  ]);

  /** @throws INVALID_ARGUMENT for a codec of the wrong shape, and for two of one media type. */
  constructor(user: readonly Codec[] = []) {
    this.#user = user.map(guarded);
    for (const codec of this.#user) {
      if (this.#byMediaType.has(codec.mediaType)) {
        throw new VarveError(
          "INVALID_ARGUMENT",
          `there are two codecs for the media type "${codec.mediaType}"`,
          {
            hint: "give each codec a media type of its own, such as application/vnd.acme.model",
          },
        );
      }
      this.#byMediaType.set(codec.mediaType, codec);
    }
  }

  /** The codec that saves `value`: the named one, or the first of the user's that accepts it, or bytes, or CBOR. */
  forValue(value: unknown, named?: Codec | string): Codec {
    if (typeof named === "string") return this.#named(named);
    if (named !== undefined) return guarded(named);
    for (const codec of this.#user) if (codec.accepts?.(value)) return codec;
    return isByteValue(value) ? bytesCodec : cborCodec;
  }

  /** The codec whose media type this is exactly, or undefined. */
  forMediaType(mediaType: string): Codec | undefined {
    return this.#byMediaType.get(mediaType);
  }

  /** The codec that loads a version of this media type: where nobody knows it, its bytes are the value. */
  forStored(mediaType: string): Codec {
    return this.#byMediaType.get(mediaType) ?? bytesCodec;
  }

  #named(mediaType: string): Codec {
    const codec = this.#byMediaType.get(mediaType);
    if (codec !== undefined) return codec;
    throw new VarveError("INVALID_ARGUMENT", `there is no codec for the media type "${mediaType}"`, {
      hint: `give it in the option \`codecs\`; there are ${[...this.#byMediaType.keys()].join(", ")}`,
    });
  }
}

/** A user's codec, checked, and with its failures turned into `VarveError`. */
function guarded(codec: Codec): Codec {
  if (codec === cborCodec || codec === bytesCodec) return codec;
  checkShape(codec);
  const { mediaType } = codec;
  const guard: Codec = {
    mediaType,
    encode: (value) =>
      ownBytes(
        attempt(mediaType, "encode", () => codec.encode(value)),
        mediaType,
      ),
    decode: (bytes) => attempt(mediaType, "decode", () => codec.decode(bytes)),
  };
  if (codec.accepts === undefined) return guard;
  return {
    ...guard,
    accepts: (value) => attempt(mediaType, "accepts", () => codec.accepts!(value)) === true,
  };
}

function checkShape(codec: unknown): void {
  const problem = problemOf(codec as Partial<Record<keyof Codec, unknown>> | null | undefined);
  if (problem === undefined) return;
  throw new VarveError("INVALID_ARGUMENT", `this is no codec: ${problem}`, {
    hint: "a codec is { mediaType, accepts?(value), encode(value), decode(bytes) }",
  });
}

function problemOf(codec: Partial<Record<keyof Codec, unknown>> | null | undefined): string | undefined {
  if (typeof codec !== "object" || codec === null) return "it is no object";
  const { mediaType, accepts, encode, decode } = codec;
  if (typeof mediaType !== "string" || !MEDIA_TYPE.test(mediaType)) {
    return "its mediaType is not like application/vnd.acme.model";
  }
  if (isBuiltIn(mediaType)) return `${mediaType} is the media type of a built-in codec`;
  if (typeof encode !== "function" || typeof decode !== "function")
    return "encode and decode must be functions";
  if (accepts !== undefined && typeof accepts !== "function") return "accepts must be a function where given";
  return undefined;
}

function isBuiltIn(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE_CBOR || mediaType === MEDIA_TYPE_BYTES;
}

/** A failing codec is no damage of the store, so it is never `CORRUPTION`: the stored bytes are intact. */
function attempt<T>(mediaType: string, what: "accepts" | "encode" | "decode", call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof VarveError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new VarveError("UNSUPPORTED_VALUE", `${what} of the codec for "${mediaType}" failed: ${reason}`, {
      cause: error,
      details: { mediaType },
      ...(what === "decode"
        ? { hint: "the stored bytes are intact: bytes() of the artifact gives them" }
        : {}),
    });
  }
}

/** A copy of what a user's codec gave, which may go on writing into its memory. */
function ownBytes(encoded: unknown, mediaType: string): Uint8Array {
  if (encoded instanceof Uint8Array) return Uint8Array.from(encoded);
  throw new VarveError("UNSUPPORTED_VALUE", `encode of the codec for "${mediaType}" gave no Uint8Array`, {
    hint: "a codec's encode returns its bytes at once, not a promise",
    details: { mediaType },
  });
}
