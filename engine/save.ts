import type { BatchSaveOptions, Code, Codec, JsonObject, SaveOptions } from "./api.ts";
import type { VersionContent } from "./artifact-record.ts";
import { WHOLE_BYTES_MAX } from "./chunk/chunks.ts";
import type { ByteSource, FileSource } from "./chunk/source.ts";
import { captureCode } from "./code.ts";
import { bytesCodec, isByteValue, viewOfBytes } from "./codec/bytes.ts";
import { encodeValue } from "./codec/cbor.ts";
import type { CodecRegistry } from "./codec/codec.ts";
import { MEDIA_TYPE_BYTES, MEDIA_TYPE_CBOR } from "./codec/codec.ts";
import type { EngineCore } from "./engine.ts";
import type { PreparedEnvironment } from "./environment/stored.ts";
import { VarveError } from "./errors.ts";
import { MEDIA_TYPE_DIRECTORY } from "./large/directory-source.ts";
import type { PreparedPart } from "./large/part.ts";
import { copyMetadata, copyTags } from "./metadata.ts";
import type { SavePlan } from "./operations.ts";
import type { ParsedRef } from "./ref.ts";
import { checkName, checkVersion, parseRef } from "./ref.ts";

/** Longer code is a blob of its own, so that versions that share it keep it once. */
const INLINE_CODE_CHARACTERS_MAX = 512;
const MEDIA_TYPE = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(\s*;.*)?$/;

const NO_INPUTS: readonly never[] = [];

/** What models of ONNX are kept under. */
export const MEDIA_TYPE_ONNX = "application/onnx";

/** Whether a storage backend for models would keep it. */
export function isModel({ mediaType }: { mediaType?: string | undefined }): boolean {
  return mediaType === MEDIA_TYPE_ONNX;
}

/** A value, taken at the call. */
export interface TakenValue<From = Uint8Array | ByteSource | FileSource> {
  /** Its bytes, or what gives them. */
  from: From;
  mediaType: string;
  /** The bytes are in the caller's memory, and must stay as they are until all is done. */
  isForeign: boolean;
}

/** Encodes or copies a value now, so that what the caller does to it later changes nothing: up to 1 MiB of bytes. */
export function takeValue(
  codecs: CodecRegistry,
  value: unknown,
  options: SaveOptions | BatchSaveOptions,
): TakenValue<Uint8Array> {
  const codec: Codec = codecs.forValue(value, options.codec);
  if (codec.mediaType === MEDIA_TYPE_DIRECTORY) throw isOfDirectories();
  const isForeign = codec === bytesCodec && isByteValue(value) && value.length > WHOLE_BYTES_MAX;
  const from = isForeign ? viewOfBytes(value) : codec.encode(value);
  if (options.mediaType === undefined) return { from, mediaType: codec.mediaType, isForeign };
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
  return { from, mediaType: options.mediaType, isForeign };
}

/** A source of bytes, to be read by and by. @throws INVALID_ARGUMENT */
export function takeSource(source: ByteSource | FileSource, options: SaveOptions): TakenValue {
  if (options.mediaType !== undefined) checkMediaType(options.mediaType);
  if (options.codec !== undefined) {
    throw new VarveError("INVALID_ARGUMENT", "a codec takes a value, and this is a source of bytes", {
      hint: "leave `codec` out, and give the `mediaType`; or read the bytes first, and save what they are",
    });
  }
  return { from: source, mediaType: options.mediaType ?? MEDIA_TYPE_BYTES, isForeign: false };
}

function checkMediaType(mediaType: unknown): void {
  if (mediaType === MEDIA_TYPE_DIRECTORY) throw isOfDirectories();
  if (typeof mediaType === "string" && mediaType.length <= 255 && MEDIA_TYPE.test(mediaType)) return;
  throw new VarveError("INVALID_ARGUMENT", `not a media type: ${JSON.stringify(mediaType)}`, {
    hint: "a media type is like `text/csv` or `application/onnx`",
  });
}

/** Bytes under it would be taken for the manifest of a directory. */
function isOfDirectories(): VarveError {
  return new VarveError("INVALID_ARGUMENT", `${MEDIA_TYPE_DIRECTORY} is the media type of directories`, {
    hint: "saveDirectory keeps a directory; for other values give another media type",
  });
}

/** What `save` was given beside the value, taken at the call; the code may still be read from files. */
export interface TakenOptions<R = () => ParsedRef> {
  content: Pick<VersionContent, "tags" | "metadata">;
  code: Code | Promise<Code> | undefined;
  inputs: readonly R[];
  ifVersion: number | "absent" | undefined;
}

/** @param refOf turns an input into a ref, or what gives one (for pending saves of a batch) under the lock */
export function takeOptions<I, R>(
  name: string,
  options: { inputs?: readonly I[] } & Omit<SaveOptions, "inputs">,
  refOf: (input: I) => R,
): TakenOptions<R> {
  checkName(name);
  checkBackend(options);
  const { ifVersion } = options;
  if (ifVersion !== undefined && ifVersion !== "absent") checkVersion(ifVersion);
  const content: TakenOptions<R>["content"] = {};
  const tags = copyTags(options.tags);
  const metadata = copyMetadata(options.metadata) as JsonObject | undefined;
  if (tags) content.tags = tags;
  if (metadata) content.metadata = metadata;
  if (options.inputs !== undefined && !Array.isArray(options.inputs)) {
    throw new VarveError("INVALID_ARGUMENT", "inputs must be an array of refs or artifacts", {
      hint: 'for example inputs: ["iris/clean:2"]',
    });
  }
  return {
    content,
    code: captureCode(options.code),
    inputs: options.inputs?.map(refOf) ?? NO_INPUTS,
    ifVersion,
  };
}

/** Of what goes elsewhere no other options are taken than these: in a batch nothing does. */
function checkBackend({ backend, mlflow }: { backend?: string; mlflow?: unknown }): void {
  if (backend === "mlflow" || mlflow !== undefined) throw notInBatch();
  if (backend === undefined || backend === "varve") return;
  throw new VarveError("INVALID_ARGUMENT", `not a storage backend: ${JSON.stringify(backend)}`, {
    hint: "it is `varve` or `mlflow`",
  });
}

/** A batch is all or nothing, which no call of a server could be a part of. */
export function notInBatch(): VarveError {
  return new VarveError("NOT_SUPPORTED", "a batch can't save to MLflow", {
    hint: 'save the model by itself, or give `backend: "varve"`',
  });
}

/** A ref or artifact that is known now. */
export function refNow(input: unknown): () => ParsedRef {
  const ref = parseRef(input);
  return () => ref;
}

/** What a version refers to as its value. */
export interface PlannedValue {
  part: PreparedPart;
  mediaType: string;
  /** Of a value in chunks. */
  chunked?: { digest: Buffer; size: number };
  /** Of a directory: what tells which of its files are as they were. */
  stamps?: Buffer;
}

/** Does what takes time and needs no lock: the code as a blob, and all that the version's row says. */
export function planSave(
  core: EngineCore,
  name: string,
  { part, mediaType, chunked, stamps }: PlannedValue,
  taken: TakenOptions,
  code: Code | undefined,
  environment: PreparedEnvironment | undefined,
): SavePlan {
  const content: VersionContent = { ...taken.content, ...chunked, ...(stamps && { hasStamps: true }) };
  if (environment) content.environment = environment.blob.digest;
  if (mediaType !== MEDIA_TYPE_CBOR && mediaType !== MEDIA_TYPE_BYTES) content.mediaType = mediaType;
  const codeBlob = code && placeCode(core, code, content);
  return {
    name,
    value: part,
    isChunked: chunked !== undefined,
    mediaType,
    code: codeBlob,
    stamps,
    content,
    environment,
    inputs: taken.inputs,
    ifVersion: taken.ifVersion,
    salt: core.salt,
  };
}

/** Into the content where it is short; else as a blob, which the content tells of. */
export function placeCode(core: EngineCore, code: Code, content: VersionContent): SavePlan["code"] {
  const characters = code.sources.reduce((sum, { text }) => sum + text.length, 0);
  if (characters <= INLINE_CODE_CHARACTERS_MAX) {
    content.code = [...code.sources];
    return undefined;
  }
  content.codeIsBlob = true;
  return core.prepareBlob(encodeValue(code));
}
