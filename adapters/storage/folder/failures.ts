import type { Digest } from "../../../engine/main.ts";
import { VarveError } from "../../../engine/main.ts";
import { hex } from "./layout.ts";

export function noFolder(path: string): VarveError {
  return new VarveError("CONFIG", `${path} is not a folder`, {
    hint: "give a folder as the place for values (`artifactStorageDir`)",
  });
}

export function missingFolder(path: string): VarveError {
  return new VarveError("NOT_FOUND", `there is no folder ${path}`, {
    hint: "open it without `readOnly` and `create: false` to make it; or mount the disk that it is on",
  });
}

export function othersValues(location: string, owner: string): VarveError {
  return new VarveError("CONFIG", `the values in ${location} are those of another store (${owner})`, {
    hint: "give the database or home that belongs to them, or another folder",
  });
}

export function otherBytes(digest: Digest): VarveError {
  return new VarveError("CONFLICT", `the bytes are not those of sha256:${hex(digest)} any more`, {
    hint: "leave bytes above 1 MiB unchanged until the promise settles, or save a copy of them",
  });
}

export function temporaryGone(path: string): VarveError {
  return new VarveError("UNAVAILABLE", `${path} was removed before it was whole`, {
    hint: "save it again: nothing else is lost",
    details: { file: path },
  });
}

export function noStoreId(storeId: string): VarveError {
  return new VarveError("CONFIG", `not the id of a store: ${JSON.stringify(storeId)}`, {
    hint: "it is 32 hexadecimal digits",
  });
}
