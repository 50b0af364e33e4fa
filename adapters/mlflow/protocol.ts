import type { CallOptions, ListedFile } from "../../engine/main.ts";

/**
 * What of MLflow's server is used, typed. What is not there is `undefined`, and removing it no failure; other failures are
 * `VarveError`s whose `details` have `status` (of HTTP) and `errorCode` (MLflow's own word), where there was an answer.
 * Anything that can be asked twice is asked again when the network or the server fails.
 */

/** A create is not known by the server when it is sent again, so what an earlier one has made is looked for first. */
export type Find<T> = (options?: CallOptions) => Promise<T | undefined>;

export type Tags = Readonly<Record<string, string>>;

export interface Experiment {
  id: string;
  name: string;
  artifactUri: string;
  isDeleted: boolean;
  tags: Tags;
}

export type RunStatus = "RUNNING" | "SCHEDULED" | "FINISHED" | "FAILED" | "KILLED";

export interface Run {
  id: string;
  name: string;
  experimentId: string;
  status: RunStatus;
  artifactUri: string;
  isDeleted: boolean;
  tags: Tags;
  params: Readonly<Record<string, string>>;
}

export interface NewRun {
  experimentId: string;
  name?: string;
  tags?: Tags;
  /** Milliseconds since 1970. Default: now. */
  startTime?: number;
}

export type ModelStatus = "PENDING" | "READY" | "UPLOAD_FAILED" | "UNSPECIFIED";

/** A model of MLflow 3: a folder of files, made by a run. */
export interface LoggedModel {
  /** `m-` and 32 hexadecimal digits. */
  id: string;
  name: string;
  experimentId: string;
  artifactUri: string;
  status: ModelStatus;
  runId?: string;
  tags: Tags;
  params: Readonly<Record<string, string>>;
  /** Milliseconds since 1970. */
  createdAt: number;
}

export interface NewModel {
  experimentId: string;
  name: string;
  runId?: string;
  tags?: Tags;
  params?: Readonly<Record<string, string>>;
}

export interface RegisteredModel {
  name: string;
  tags: Tags;
  /** Versions by alias. */
  aliases: Readonly<Record<string, string>>;
}

export interface ModelVersion {
  name: string;
  /** Digits. */
  version: string;
  /** As it was registered: `models:/m-…`, or a location of artifacts. */
  source: string;
  /** Of the logged model, where it stands for one. */
  modelId?: string;
  runId?: string;
  tags: Tags;
  /** Milliseconds since 1970. */
  createdAt: number;
}

export interface NewVersion {
  name: string;
  source: string;
  modelId?: string;
  runId?: string;
  tags?: Tags;
}

export interface Query {
  /** Made by `filter.ts`: values are not to stand in it as they are. */
  filter?: string;
  /** Of these alone. */
  experimentIds?: readonly string[];
}

export interface Experiments {
  find(name: string, options?: CallOptions): Promise<Experiment | undefined>;
  get(id: string, options?: CallOptions): Promise<Experiment | undefined>;
  /** Made where there is none. @throws CONFLICT where one of that name is deleted but not removed */
  ensure(name: string, options?: CallOptions): Promise<Experiment>;
  /** All that are not deleted. */
  list(options?: CallOptions): AsyncIterable<Experiment>;
}

export interface Runs {
  create(run: NewRun, find: Find<Run>, options?: CallOptions): Promise<Run>;
  /** Deleted ones too. */
  get(id: string, options?: CallOptions): Promise<Run | undefined>;
  search(query: Query, options?: CallOptions): AsyncIterable<Run>;
  /** @param status one that ends it also gets the time of it */
  setStatus(id: string, status: RunStatus, options?: CallOptions): Promise<void>;
  /** As many as there are. A parameter can't be changed. @throws INVALID_ARGUMENT */
  logParams(id: string, params: Readonly<Record<string, string>>, options?: CallOptions): Promise<void>;
  setTags(id: string, tags: Tags, options?: CallOptions): Promise<void>;
  /** That a run has made models. */
  logOutputs(id: string, modelIds: readonly string[], options?: CallOptions): Promise<void>;
  /** Can be undone by people; nothing where there is none. */
  delete(id: string, options?: CallOptions): Promise<void>;
}

export interface Models {
  /** It is pending until its status is set. */
  create(model: NewModel, find: Find<LoggedModel>, options?: CallOptions): Promise<LoggedModel>;
  get(id: string, options?: CallOptions): Promise<LoggedModel | undefined>;
  /** The newest first. @param query without `experimentIds`: of all experiments that are not deleted */
  search(query: Query, options?: CallOptions): AsyncIterable<LoggedModel>;
  setStatus(id: string, status: "READY" | "UPLOAD_FAILED", options?: CallOptions): Promise<void>;
  setTags(id: string, tags: Tags, options?: CallOptions): Promise<void>;
  /** Its bytes stay. */
  delete(id: string, options?: CallOptions): Promise<void>;
}

/** On the registry server where there is one beside that of tracking. */
export interface Registry {
  /** Whether a logged model is one of this server too: of another, no version can be made. */
  hasModel(id: string, options?: CallOptions): Promise<boolean>;
  get(name: string, options?: CallOptions): Promise<RegisteredModel | undefined>;
  /** Made where there is none, with these tags; one that is there is left as it is. */
  ensure(name: string, tags?: Tags, options?: CallOptions): Promise<void>;
  createVersion(version: NewVersion, find: Find<ModelVersion>, options?: CallOptions): Promise<ModelVersion>;
  getVersion(name: string, version: string, options?: CallOptions): Promise<ModelVersion | undefined>;
  /** The newest of a name. */
  latestVersion(name: string, options?: CallOptions): Promise<ModelVersion | undefined>;
  searchVersions(query: Omit<Query, "experimentIds">, options?: CallOptions): AsyncIterable<ModelVersion>;
  /** Where its files are, for `artifacts`. */
  artifactUri(name: string, version: string, options?: CallOptions): Promise<string | undefined>;
  setVersionTag(
    name: string,
    version: string,
    key: string,
    value: string,
    options?: CallOptions,
  ): Promise<void>;
  deleteVersion(name: string, version: string, options?: CallOptions): Promise<void>;
  findAlias(name: string, alias: string, options?: CallOptions): Promise<ModelVersion | undefined>;
  /** @throws INVALID_ARGUMENT for an alias that MLflow refuses; NOT_FOUND for a version that is not there */
  setAlias(name: string, alias: string, version: string, options?: CallOptions): Promise<void>;
  deleteAlias(name: string, alias: string, options?: CallOptions): Promise<void>;
}

/** One folder of artifacts. Paths are from it on, with `/` between levels. */
export interface Artifacts {
  /**
   * Replaces what is there.
   * @param pieces the bytes, from the first on each time: it is called again where the upload is tried again
   */
  put(
    path: string,
    size: number,
    pieces: () => AsyncIterable<Uint8Array>,
    options?: CallOptions,
  ): Promise<void>;
  /** Goes on where a connection breaks, so that the bytes are to be compared with a digest. @throws NOT_FOUND */
  get(path: string, options?: CallOptions): AsyncIterable<Uint8Array>;
  /** Files of all levels, by path; none where there is no such folder. */
  list(options?: CallOptions): Promise<ListedFile[]>;
  /** A file, or a folder with all in it; by default the folder itself. */
  remove(path?: string, options?: CallOptions): Promise<void>;
}

export interface MlflowClient {
  /** Without credentials, and without `/` at the end. */
  readonly trackingUri: string;
  /** The same as `trackingUri` where there is no other. */
  readonly registryUri: string;
  readonly experiments: Experiments;
  readonly runs: Runs;
  readonly models: Models;
  readonly registry: Registry;
  /**
   * Sends nothing.
   * @param uri as the server gave it (`artifactUri`)
   * @throws NOT_SUPPORTED where the server does not itself pass on what is there
   */
  artifacts(uri: string): Artifacts;
  /** Running calls are not waited for. */
  close(): void;
}
