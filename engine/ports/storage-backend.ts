import type { Backend, CallOptions, Environment, JsonObject } from "../api.ts";
import type { Digest } from "./blob-store.ts";

/**
 * A service that keeps some values instead of the store, so that there is one copy of them: models in MLflow. The store
 * keeps what it would of any value (digest, size, media type), and beside it what finds the value there. Nothing is sent before the
 * arguments were checked; what fails is a `VarveError`: UNAVAILABLE (does not answer; the call may be repeated),
 * UNAUTHORIZED, CONFIG, NOT_SUPPORTED, ABORTED, and what a call names itself.
 */

/** A file of a value. */
export interface BackendFile {
  /** From the value on, with `/` between levels. Of a value that is one file: what the file is called. */
  path: string;
  /** Bytes. */
  size: number;
  digest: Digest;
}

/** A value to be kept: one file, or a tree of them. */
export interface BackendValue {
  kind: "file" | "directory";
  /** Of the file's bytes; of a tree that of the root of its manifest. */
  digest: Digest;
  /** Bytes of all files. */
  size: number;
  mediaType: string;
  files: readonly BackendFile[];
  /** The bytes of a file, from the first on each time. CONFLICT where they are not those of its digest any more. */
  pieces(file: BackendFile, options?: CallOptions): AsyncIterable<Uint8Array>;
}

/** Who keeps it, and how. */
export interface BackendSave {
  storeId: string;
  name: string;
  /**
   * The version that it will get, if nobody is faster. A call that was interrupted and is repeated has the same one, and
   * takes up what the first has left.
   */
  version: number;
  /** As `takeOptions` gave them. */
  options: BackendOptions;
  /** What it is saved in, as far as that is kept with it. */
  environment?: Environment;
  /** Nothing that is there is taken for the value: it was found to be damaged, or gone. All is sent again, and gets a place of its own. */
  isAgain?: boolean;
}

/** What a save was given for the backend, checked; only the backend looks into it. */
export type BackendOptions = object;

/**
 * What finds a value in a backend again. It has no credentials. Kept with the version, as it is. Of MLflow it has what
 * `MlflowFacts` has, under the same keys, which is what users are shown; and whatever else is needed.
 */
export type BackendPlace = JsonObject;

/** A file as the backend tells of it. */
export interface ListedFile {
  path: string;
  /** Bytes, where that is told. */
  size?: number;
}

export interface RemoveOptions extends CallOptions {
  /** Places of other versions of the store that have something in common with the one that goes. */
  needed?: readonly BackendPlace[];
}

/** What a backend keeps for a store, and no version of the store knows. */
export interface BackendOrphan {
  place: BackendPlace;
  /** For people: what it is. */
  description: string;
  /** An interrupted call has left it: it was never a whole value, or is none any more. */
  isRemnant: boolean;
}

export interface StorageBackend {
  readonly backend: Backend;
  /** For people: without credentials. */
  readonly location: string;

  /** Whether a place is one of this service: of another one nothing is asked, and nothing is removed. Sends nothing. */
  has(place: BackendPlace): boolean;
  /**
   * What a save gave for the backend. Sends nothing.
   * @throws INVALID_ARGUMENT that names the option
   */
  takeOptions(name: string, options: unknown, kind: BackendValue["kind"]): BackendOptions;
  /**
   * Keeps a value; resolves when all of it is there and others can read it. A value that is there already is not sent again. An
   * interrupted call leaves nothing that passes for a whole value, and repeating it makes nothing twice.
   * @throws NOT_SUPPORTED for what can't be kept there, before any of it is sent; CONFLICT
   */
  keep(value: BackendValue, save: BackendSave, options?: CallOptions): Promise<BackendPlace>;
  /**
   * Bytes of a file, as the backend gives them: the store compares them with the digest. Each piece is the caller's from then on.
   * @throws NOT_FOUND where they were removed there
   */
  pieces(place: BackendPlace, path: string, options?: CallOptions): AsyncIterable<Uint8Array>;
  /** The files of a value. @throws NOT_FOUND where it was removed there */
  list(place: BackendPlace, options?: CallOptions): Promise<ListedFile[]>;
  /**
   * Removes the version there, and the bytes when no other one there needs them, and none of `needed` is, or is over, the same
   * ones. What is gone already is no failure.
   * @throws CONFLICT where something there protects it
   */
  remove(place: BackendPlace, options?: RemoveOptions): Promise<void>;
  /** What it has for a store beside `known` places: what interrupted calls have left longer ago than `before` (milliseconds since 1970). */
  orphans(
    storeId: string,
    known: readonly BackendPlace[],
    before: number,
    options?: CallOptions,
  ): Promise<BackendOrphan[]>;
  /** What somebody else has put there. @throws NOT_FOUND, INVALID_ARGUMENT for what is no such URI */
  resolve(uri: string, options?: CallOptions): Promise<BackendPlace>;
  /** Whether `setAlias` could point this one at the value, as far as can be told without asking. @throws INVALID_ARGUMENT, NOT_SUPPORTED */
  checkAlias(place: BackendPlace, alias: string): void;
  /** Also points the backend's own alias at the value. @throws INVALID_ARGUMENT for an alias that it has not; NOT_FOUND */
  setAlias(place: BackendPlace, alias: string, options?: CallOptions): Promise<void>;
  /** No failure where there is none. */
  deleteAlias(place: BackendPlace, alias: string, options?: CallOptions): Promise<void>;
  /** What it says of the value now, for people. @throws NOT_FOUND */
  describe(place: BackendPlace, options?: CallOptions): Promise<JsonObject>;

  /** Waits for running calls; idempotent. */
  close(): Promise<void>;
}

export interface BackendSettings {
  trackingUri: string;
  /** Default: that of tracking. */
  registryUri?: string;
}
