import { readFile, stat } from "node:fs/promises";
import type { BatchSaveOptions, Code, Codec, JsonObject, SaveOptions } from "./api.ts";
import type { VersionContent } from "./artifact-record.ts";
import { captureCode } from "./code.ts";
import { encodeValue } from "./codec/cbor.ts";
import type { CodecRegistry } from "./codec/codec.ts";
import { MEDIA_TYPE_BYTES, MEDIA_TYPE_CBOR } from "./codec/codec.ts";
import type { EngineCore } from "./engine.ts";
import type { PreparedEnvironment } from "./environment/stored.ts";
import { fromSystemError, VarveError } from "./errors.ts";
import { copyMetadata, copyTags } from "./metadata.ts";
import type { SavePlan } from "./operations.ts";
import type { ParsedRef } from "./ref.ts";
import { checkName, checkVersion, parseRef } from "./ref.ts";

/** Values above this size are refused for now: a value is held in memory as a whole. */
export const VALUE_BYTES_MAX = 1024 * 1024 * 1024;
/** Longer code is a blob of its own, so that versions that share it keep it once. */
const INLINE_CODE_CHARACTERS_MAX = 512;
const MEDIA_TYPE = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(\s*;.*)?$/;

/** The bytes of a value, taken at the call. */
export interface EncodedValue {
  bytes: Uint8Array;
  mediaType: string;
}

/** Encodes or copies a value now, so that what the caller does to it later changes nothing. */
export function takeValue(
  codecs: CodecRegistry,
  value: unknown,
  options: SaveOptions | BatchSaveOptions,
): EncodedValue {
  const codec: Codec = codecs.forValue(value, options.codec);
  const bytes = codec.encode(value);
  checkSize(bytes.length);
  if (options.mediaType === undefined) return { bytes, mediaType: codec.mediaType };
  checkMediaType(options.mediaType);
  if (codec.mediaType === MEDIA_TYPE_CBOR && options.mediaType !== MEDIA_TYPE_CBOR) {
    throw new VarveError(
      "INVALID_ARGUMENT",
      `a structured value is ${MEDIA_TYPE_CBOR}, not ${options.mediaType}`,
      {
        hint: "give a media type with bytes or a file, or give a codec for it",
      },
    );
  }
  return { bytes, mediaType: options.mediaType };
}

/** The bytes of a file as they are now. */
export async function takeFile(path: string, options: SaveOptions): Promise<EncodedValue> {
  if (options.mediaType !== undefined) checkMediaType(options.mediaType);
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw isDirectory(path);
    checkSize(found.size);
    const bytes = await readFile(path);
    return { bytes, mediaType: options.mediaType ?? MEDIA_TYPE_BYTES };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      throw new VarveError("INVALID_ARGUMENT", `there is no file ${path}`, {
        hint: "give the path of a file",
        cause: error,
      });
    }
    throw fromSystemError(error, `reading ${path}`);
  }
}

function isDirectory(path: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", `${path} is a directory`, {
    hint: "saveFile keeps one file; save the files one by one, or an archive of them",
  });
}

function checkSize(bytes: number): void {
  if (bytes <= VALUE_BYTES_MAX) return;
  throw new VarveError(
    "NOT_SUPPORTED",
    `the value has ${bytes} bytes; at most ${VALUE_BYTES_MAX} can be saved`,
    {
      hint: "split the value into several artifacts",
    },
  );
}

function checkMediaType(mediaType: unknown): void {
  if (typeof mediaType === "string" && mediaType.length <= 255 && MEDIA_TYPE.test(mediaType)) return;
  throw new VarveError("INVALID_ARGUMENT", `not a media type: ${JSON.stringify(mediaType)}`, {
    hint: "a media type is like `text/csv` or `application/onnx`",
  });
}

/** What `save` was given beside the value, taken at the call; the code may still be read from files. */
export interface TakenOptions {
  content: VersionContent;
  code: Code | Promise<Code> | undefined;
  inputs: (() => ParsedRef)[];
  ifVersion: number | "absent" | undefined;
}

/** @param refOf turns an input into a ref, at once or (for pending saves of a batch) under the lock */
export function takeOptions<I>(
  name: string,
  options: { inputs?: readonly I[] } & Omit<SaveOptions, "inputs">,
  refOf: (input: I) => () => ParsedRef,
): TakenOptions {
  checkName(name);
  checkBackend(options);
  const { ifVersion } = options;
  if (ifVersion !== undefined && ifVersion !== "absent") checkVersion(ifVersion);
  const content: VersionContent = {};
  const tags = copyTags(options.tags);
  const metadata = copyMetadata(options.metadata) as JsonObject | undefined;
  if (tags) content.tags = tags;
  if (metadata) content.metadata = metadata;
  if (options.inputs !== undefined && !Array.isArray(options.inputs)) {
    throw new VarveError("INVALID_ARGUMENT", "inputs must be an array of refs or artifacts", {
      hint: 'for example inputs: ["iris/clean:2"]',
    });
  }
  return { content, code: captureCode(options.code), inputs: (options.inputs ?? []).map(refOf), ifVersion };
}

function checkBackend({ backend }: { backend?: string }): void {
  if (backend === undefined || backend === "varve") return;
  if (backend === "mlflow") {
    throw new VarveError("CONFIG", "no MLflow tracking URI is configured", {
      hint: "save without `backend`, to keep the value in Varve",
    });
  }
  throw new VarveError("INVALID_ARGUMENT", `not a storage backend: ${JSON.stringify(backend)}`, {
    hint: "there is `varve`",
  });
}

/** A ref or artifact that is known now. */
export function refNow(input: unknown): () => ParsedRef {
  const ref = parseRef(input);
  return () => ref;
}

/** Does what takes time and needs no lock: digest, checksum, the code as a blob. */
export function planSave(
  core: EngineCore,
  name: string,
  value: EncodedValue,
  taken: TakenOptions,
  code: Code | undefined,
  environment: PreparedEnvironment | undefined,
): SavePlan {
  const content = { ...taken.content };
  if (environment) content.environment = environment.blob.digest;
  if (value.mediaType !== MEDIA_TYPE_CBOR && value.mediaType !== MEDIA_TYPE_BYTES)
    content.mediaType = value.mediaType;
  const codeBlob = code && placeCode(core, code, content);
  return {
    name,
    value: core.prepareBlob(value.bytes),
    mediaType: value.mediaType,
    code: codeBlob,
    content,
    environment,
    inputs: taken.inputs,
    ifVersion: taken.ifVersion,
    salt: core.salt,
  };
}

function placeCode(core: EngineCore, code: Code, content: VersionContent): SavePlan["code"] {
  const characters = code.sources.reduce((sum, { text }) => sum + text.length, 0);
  if (characters <= INLINE_CODE_CHARACTERS_MAX) {
    content.code = [...code.sources];
    return undefined;
  }
  content.codeIsBlob = true;
  return core.prepareBlob(encodeValue(code));
}
