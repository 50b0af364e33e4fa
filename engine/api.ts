/** The types that users of the artifact store meet. Types only: the code is in `store.ts` and what it calls. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export type Durability = "durable" | "buffered";
export type Backend = "varve" | "mlflow";

/** Where log lines go. Varve never prints by itself. */
export interface Logger {
  debug(message: string, facts?: Record<string, unknown>): void;
  info(message: string, facts?: Record<string, unknown>): void;
  warn(message: string, facts?: Record<string, unknown>): void;
  error(message: string, facts?: Record<string, unknown>): void;
}

/** Turns values of one media type into bytes and back. A codec given in `StoreOptions.codecs` is asked before the built-in ones. */
export interface Codec {
  /** The media type that its values are kept under, such as `application/vnd.acme.model`. */
  readonly mediaType: string;
  /** Whether `save` uses this codec for `value` when none is named. Absent: only when named. */
  accepts?(value: unknown): boolean;
  encode(value: unknown): Uint8Array;
  /** `bytes` is private to the call: it may be kept and returned views may point into it. */
  decode(bytes: Uint8Array): unknown;
}

/** The items of the configuration, in camelCase. */
export interface StoreOptions {
  /** The store's folder. */
  home?: string;
  /** Folder or URL for values; default: the log inside home. */
  artifactStorageDir?: string;
  /** Metadata database; default: the embedded engine inside home. */
  databaseUrl?: string;
  /** Passed to the object-storage client. */
  storageOptions?: Record<string, unknown>;
  /** The MLflow server that keeps models, and that they are read from. */
  mlflowTrackingUri?: string;
  /** Where it registers them; default: the same server. */
  mlflowRegistryUri?: string;
  /** What keeps a model of which `save` says nothing: `mlflow` (default, once a tracking URI is set) or `varve`. */
  defaultMlModelsStorageBackend?: Backend;
  /** `durable` (default): a promise resolves after the disk has it. `buffered`: after the operating system has it. */
  durability?: Durability;
  /**
   * Bytes that the log may take. An eighth below it (at most 256 MiB) the oldest versions are deleted and compacted away in
   * the background, but for those that have an alias, those that MLflow keeps and the newest one, until it is twice as far
   * below; where records take more than an eighth, history is forgotten too. A save never fails for it: near it, it waits for
   * the room that is being made, 5 seconds at most. What is protected may take more: that is told to the logger. `prune({ maxSize }, { dryRun: true })`
   * with the size that it goes down to tells what would go.
   */
  maxSize?: number;
  /** Bytes of free disk below which saves are refused with `NO_SPACE`; default 64 MiB. */
  minFreeSpace?: number;
  /** Bytes of memory, at most, for small values that were read lately; default 64 MiB. 0: none. */
  cacheSize?: number;
  /** `debug`, `info` (default), `warn` or `error`. */
  loggingLevel?: string;
  loggingFile?: string;
  readOnly?: boolean;
  /** Make the store when there is none; default true. */
  create?: boolean;
  codecs?: Codec[];
  logger?: Logger;
  clock?: () => Date;
  /**
   * What is kept of the environment beside Node version, platform, script and user; default `["git", "packages"]`.
   * `false`: nothing.
   */
  environment?: false | EnvironmentPart[];
  /** Milliseconds that a call waits for another process's lock before `UNAVAILABLE`; default 5,000. */
  lockWaitMax?: number;
  /** Dangers to accept: a store on a network file system, or shared with processes of another PID namespace. */
  allow?: ("network-file-system" | "pid-namespaces")[];
}

export type EnvironmentPart = "git" | "packages" | "command" | "diff";

/**
 * Where and with what an artifact was made: the process that saved it, taken when it opened the store. Every part is
 * absent when it could not be told. Frozen: artifacts share it.
 */
export interface Environment {
  /** Such as `v20.19.0`. */
  node?: string;
  /** Operating system and architecture, such as `linux-x64`. */
  platform?: string;
  /** The path of the program that Node was started with. */
  script?: string;
  user?: string;
  /**
   * The checkout that the working directory is in. `dirty`: a file that git tracks differs from the commit; absent in
   * what was saved before git had answered, for which opening waits 50 ms at most.
   */
  git?: { commit: string; dirty?: boolean; branch?: string };
  /** What the nearest `package.json` at or above the working directory depends on directly, and the installed versions. */
  packages?: Record<string, string>;
  /** The command line of the process, its options for Node included. */
  command?: string[];
  /** `git diff HEAD`, whole lines of it up to 1 MiB. */
  diff?: string;
  /** There was more of `diff`. */
  diffTruncated?: true;
}

/** The code that made an artifact: its sources as they were when it was saved. */
export interface Code {
  /** One source without a file name (a function or a string), or several by file name. */
  readonly sources: readonly CodeSource[];
}

export interface CodeSource {
  /** The path as it was given; absent for a function or a string. */
  readonly file?: string;
  readonly text: string;
}

// biome-ignore lint/suspicious/noExplicitAny: any function is code, whatever it takes and gives
export type CodeInput = ((...args: any[]) => unknown) | string | { file: string } | { files: string[] };

/** Progress of a long call, in units of what the call counts. */
export interface Progress {
  phase: string;
  done: number;
  total?: number;
  unit: "bytes" | "artifacts" | "records" | "segments" | "files";
}

export interface CallOptions {
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

/** `name` (latest), `name:3`, `name:latest`, `name@alias`, or an artifact. */
export type Ref = string | Artifact;

/** A snapshot of one saved version, taken when it was read. */
export interface Artifact {
  readonly name: string;
  readonly version: number;
  /** `name:version`. */
  readonly ref: string;
  /** `sha256:<64 hex>` of the value's bytes. */
  readonly digest: string;
  readonly mediaType: string;
  /** Bytes of the value. */
  readonly size: number;
  readonly createdAt: Date;
  /** The number of the save in the store's total order. */
  readonly sequence: number;
  readonly backend: Backend;
  /** Where in MLflow it is, of what that keeps. */
  readonly mlflow?: MlflowFacts;
  /** The user that saved it, where the environment told. */
  readonly createdBy?: string;
  readonly code?: Code;
  /** Refs with versions, in the order given. */
  readonly inputs: string[];
  readonly environment: Environment;
  readonly tags: Record<string, string>;
  readonly metadata: JsonObject;
  /** Aliases of this version when it was read, sorted. */
  readonly aliases: string[];
  /** True for a version that was deleted: `undelete` brings it back until its bytes are compacted away. */
  readonly deleted: boolean;
  /** The value, decoded: up to 1 GiB of bytes. */
  value<T = unknown>(options?: CallOptions): Promise<T>;
  /** Up to 1 GiB; only the wanted part of a large value is read. */
  bytes(range?: ByteRange, options?: CallOptions): Promise<Uint8Array>;
  /** Of any length, in pieces, read as they are taken. They stay readable although the version is deleted meanwhile. */
  stream(range?: ByteRange, options?: CallOptions): ReadableStream<Uint8Array>;
  /**
   * Writes the value's bytes to `path`: a temporary file beside it, synced, then renamed over it. A directory: as
   * `Directory.writeTo`.
   */
  writeTo(path: string, options?: CallOptions): Promise<void>;
}

/** A part of a value's bytes: from `start` (default 0) up to, not including, `end` (default: all). */
export interface ByteRange {
  start?: number;
  end?: number;
}

export interface SaveOptions extends CallOptions {
  code?: CodeInput;
  /** Refs, artifacts, or (in a batch) pending saves; each must exist. */
  inputs?: readonly Ref[];
  tags?: Record<string, string>;
  metadata?: JsonObject;
  /** A codec, or the media type of a registered one. */
  codec?: Codec | string;
  /** The media type to keep; only for byte values and files, or with `codec`. */
  mediaType?: string;
  /**
   * What keeps the value. By default MLflow keeps models once a tracking URI is set (see `defaultMlModelsStorageBackend`), and
   * Varve everything else. A model is a value of media type `application/onnx`, a saved file whose name ends in `.onnx`, or a saved
   * folder that has an `MLmodel` file.
   * @throws CONFIG where no MLflow is configured, NOT_SUPPORTED for what is no model
   */
  backend?: Backend;
  /** Only of what MLflow keeps: INVALID_ARGUMENT where Varve keeps the value. */
  mlflow?: MlflowSaveOptions;
  /** Save only if the latest version is this one (`"absent"`: if there is none); else `CONFLICT`. */
  ifVersion?: number | "absent";
}

/** How MLflow keeps a model. */
export interface MlflowSaveOptions {
  /** Its name; it is made where there is none. Default: MLflow's own `Default`. */
  experiment?: string;
  runName?: string;
  /** Default: the artifact's name, with `-` for every character but letters, digits, `.`, `_` and `-`. */
  registeredModelName?: string;
  /** Aliases of the registered model, which then point at the new version of it. */
  aliases?: readonly string[];
  /** On run, logged model and version. */
  tags?: Record<string, string>;
  /** On the run. */
  params?: Record<string, string | number | boolean>;
  /** What goes in and comes out, in the words of MLflow. Not of a folder, whose `MLmodel` tells it. */
  signature?: MlflowSignature;
  /** An array of numbers (a tensor), arrays by name, or an array of objects (rows). Not of a folder. */
  inputExample?: Json;
}

export interface MlflowSignature {
  inputs?: readonly (MlflowTensor | MlflowColumn)[];
  outputs?: readonly (MlflowTensor | MlflowColumn)[];
  params?: readonly MlflowParameter[];
}

export interface MlflowTensor {
  name?: string;
  /** Such as `float32`. */
  dtype: string;
  /** -1 for a dimension of any size. */
  shape: readonly number[];
}

export interface MlflowColumn {
  name?: string;
  /** Such as `double`, `long`, `string`. */
  type: string;
  /** Default true. */
  required?: boolean;
}

export interface MlflowParameter {
  name: string;
  type: string;
  default: Json;
  /** Of a list: `[-1]`. */
  shape?: readonly number[];
}

/** Where in MLflow an artifact is. Without credentials. */
export interface MlflowFacts {
  readonly trackingUri: string;
  /** What MLflow's own libraries load it by, such as `models:/clf/3`. */
  readonly modelUri: string;
  readonly registryUri?: string;
  readonly modelId?: string;
  readonly runId?: string;
  readonly experimentId?: string;
  readonly registeredName?: string;
  readonly registeredVersion?: string;
  /** Such as `onnx`, `sklearn`. */
  readonly flavor?: string;
}

/** What is kept with a model that is in MLflow already. */
export interface AdoptOptions extends Omit<SaveOptions, "backend" | "codec" | "mediaType" | "mlflow"> {}

/** How `saveDirectory` reads a folder. */
export interface SaveDirectoryOptions extends Omit<SaveOptions, "codec" | "mediaType"> {
  /**
   * What to leave out, by path from the folder: `*` stands for any characters of a name, `**` for any across levels. A
   * pattern without a slash (`*.log`) is meant at every level, one with a slash (`data/*.csv`, `/build`) from the folder on;
   * with a slash at its end (`node_modules/`) it means folders alone. What is in a folder that is left out is left out too.
   */
  ignore?: readonly string[];
  /**
   * Read every file. By default one whose size, times and inode are those of the last save is taken to be the same: what
   * changes a file without its times, such as a write through a memory map that the system has not seen yet, is missed.
   */
  checkContents?: boolean;
}

/** One thing in a saved directory. Folders are listed where they are empty: others are seen by what is in them. */
export interface DirectoryEntry {
  /** From the directory on, with `/` between the levels, whatever the system. */
  path: string;
  kind: "file" | "link" | "directory";
  /** Bytes of a file; 0 for everything else. */
  size: number;
  /** Whether the owner of the file may run it. */
  executable: boolean;
  /** Where a symbolic link leads, as it was written. */
  target?: string;
  /** `sha256:<64 hex>` of a file's bytes. */
  digest?: string;
}

/** A saved tree of files. */
export interface Directory {
  /** Files, links and empty folders. */
  readonly entryCount: number;
  /** Bytes of all files together. */
  readonly size: number;
  /** In the order of the paths' bytes. @param path only it, or what is below it; NOT_FOUND where that is nothing */
  list(path?: string, options?: CallOptions): AsyncIterable<DirectoryEntry>;
  /** The bytes of one file, up to 1 GiB. NOT_FOUND, INVALID_ARGUMENT for what is no file. */
  read(path: string, range?: ByteRange, options?: CallOptions): Promise<Uint8Array>;
  /** As `read`, in pieces and of any size. */
  stream(path: string, range?: ByteRange, options?: CallOptions): ReadableStream<Uint8Array>;
  /**
   * Makes the tree as it was saved, all or nothing: it grows beside `target`, and gets its name when it is on the disk.
   * `target` must not exist, or be an empty folder (CONFLICT). Names, contents, the executable bit, links and empty folders
   * are restored; owners, other permissions and times are those of any new file.
   */
  writeTo(target: string, options?: CallOptions): Promise<void>;
}

/** Operators on a metadata value; several must all hold. But for `exists`, each holds only for a value of its operand's type. */
export interface MetadataOperators {
  eq?: Json;
  ne?: Json;
  /** Numbers by size, texts by UTF-16 code units. */
  gt?: number | string;
  gte?: number | string;
  lt?: number | string;
  lte?: number | string;
  /** Equal to one of these. */
  in?: Json[];
  /** Whether there is such a key at all. */
  exists?: boolean;
}

/** All that is given must hold. It is asked of the latest version of each name, or of every one with `allVersions`. */
export interface ListFilter extends CallOptions {
  /** A glob over names: `*` within a level, `**` across. */
  name?: string;
  /** Tags that must have these values. */
  tags?: Record<string, string>;
  /**
   * By key of the metadata, or path (`model.depth`) where there is no such key at the top: a value to be equal to (an
   * object with `eq`), or operators.
   */
  metadata?: Record<string, Json | MetadataOperators>;
  /** Such as `metadata.accuracy >= 0.9 and tags.stage = 'dev'`; the language is in `engine/where/README.md`. */
  where?: string;
  /** Saved at or after. */
  since?: Date;
  /** Saved at or before. */
  until?: Date;
  /** Exactly this one. */
  mediaType?: string;
  /** Bytes of the value, inclusive. */
  minSize?: number;
  maxSize?: number;
  /** `sha256:` and hexadecimal digits that the digest begins with; the digits alone will do. */
  digest?: string;
  /** The user, as the environment told it. */
  createdBy?: string;
  /** Every version instead of the latest of each name. */
  allVersions?: boolean;
  /** Deleted versions, all of them, instead of live ones. */
  deleted?: boolean;
  /**
   * `name` (default): in order of names, versions newest first. `createdAt`: oldest first. `size`: smallest first. Equal
   * ones are in order of names. By time and size the whole index is read before the first is given.
   */
  sort?: "name" | "createdAt" | "size";
  /** Exactly the other way round. */
  reverse?: boolean;
  limit?: number;
  /** Go on after this artifact: the ref of the last one listed, with any sort. It may have been deleted since. */
  after?: string;
}

export interface LineageOptions extends CallOptions {
  /** `up`: what it was made from. `down`: what was made from it. Default both. */
  direction?: "up" | "down" | "both";
  /** Levels to follow; default all. */
  depth?: number;
}

export interface LineageNode {
  readonly ref: string;
  readonly name: string;
  readonly version: number;
  /** Steps from the artifact that was asked for (0): negative for what it was made from, positive for what was made from it. */
  readonly level: number;
  /** Absent when the version's record is gone. */
  readonly digest?: string;
  /** Deleted versions stay part of the lineage. */
  readonly deleted: boolean;
}

/** `to` was made from `from`; both are refs of nodes. */
export interface LineageEdge {
  readonly from: string;
  readonly to: string;
}

export interface LineageGraph {
  /** The artifact that was asked for is the first; then what it was made from, then what was made from it, level by level. */
  readonly nodes: LineageNode[];
  readonly edges: LineageEdge[];
  /** False when there was more than 100,000 nodes can hold: ask for less depth. */
  readonly complete: boolean;
}

export interface DeleteOptions extends CallOptions {
  /** Remove the version's aliases too, instead of `CONFLICT`. */
  aliases?: boolean;
  /**
   * For artifacts kept by MLflow: delete the model there too, unless another version of the store needs it. Nothing brings it
   * back. May be repeated, with the version itself as the ref, where MLflow did not answer.
   */
  purge?: boolean;
}

export interface DeleteReport {
  /** Refs of the versions that were deleted, oldest first. */
  deleted: string[];
  /** Aliases that were removed with them, as `name@alias`. */
  aliases: string[];
}

export interface AliasOptions extends CallOptions {
  /** For artifacts kept by MLflow: the same with the alias of its registered model. */
  mlflow?: boolean;
}

export interface Annotation extends CallOptions {
  /** Tags to set; null removes one. */
  tags?: Record<string, string | null>;
  /** Top-level keys to set; null removes one. */
  metadata?: JsonObject;
}

/** A queued save of a batch; stands for its ref or version in later calls of the same batch. */
export interface Pending {
  readonly name: string;
}

export interface BatchSaveOptions extends Omit<SaveOptions, "inputs" | "mlflow" | "signal" | "onProgress"> {
  inputs?: readonly (Ref | Pending)[];
}

/** Operations that apply in order, all or none. */
export interface Batch {
  save(name: string, value: unknown, options?: BatchSaveOptions): Pending;
  setAlias(name: string, alias: string, version: number | Pending): void;
  deleteAlias(name: string, alias: string): void;
  annotate(ref: Ref | Pending, annotation: Omit<Annotation, "signal" | "onProgress">): void;
  delete(ref: Ref | Pending, options?: Omit<DeleteOptions, "purge" | "signal" | "onProgress">): void;
}

export interface StoreStats {
  /** Distinct names with at least one live version. */
  names: number;
  /** Live versions. */
  versions: number;
  /** Deleted versions that can still be brought back. */
  deletedVersions: number;
  aliases: number;
  /** Distinct blobs in the log. */
  blobs: number;
  /** Bytes of values as users see them: the sizes of all live versions. */
  valueBytes: number;
  /** Bytes of distinct blobs in the log. */
  blobBytes: number;
  /** Bytes of blobs that a live version needs. */
  liveBlobBytes: number;
  /** Bytes that were not stored again since an equal blob was there. */
  deduplicatedBytes: number;
  /** Bytes of blobs that nothing needs any more: what `compact` frees, with their headers. */
  deadBlobBytes: number;
  /** Files of the log, without those that wait to be removed. */
  segments: number;
  /** Bytes of these. */
  logBytes: number;
  /** Bytes of the log beside blobs: headers, records of versions, aliases and what was before them. */
  logOverheadBytes: number;
  indexBytes: number;
  /** The newest operation. */
  sequence: number;
  /** With `byName`: each name that has versions, in order. */
  byName?: NameStats[];
}

export interface StatsOptions extends CallOptions {
  /** Also count each name. */
  byName?: boolean;
}

/** What one name holds. Bytes. */
export interface NameStats {
  name: string;
  versions: number;
  /** Those that can still be brought back. */
  deletedVersions: number;
  /** The sizes of all live versions. */
  valueBytes: number;
  /** What deleting all its versions would free: blobs that only this name needs. */
  ownBytes: number;
}

/** Which versions go. All that is given must hold for a version to go; what has an alias never does. */
export interface PrunePolicy {
  /** A glob over names, as in `list`. */
  name?: string;
  /** Only versions with all of these tags. */
  tags?: Record<string, string>;
  /** So many of the newest live versions of each name stay, whether the rest of the policy lets them go or not. */
  keepLast?: number;
  /** Saved before: a moment, or an age such as `30d`, `12h`, `90m` (minutes), `2w`, `45s`, or milliseconds. */
  olderThan?: Date | string | number;
  /**
   * Of those that may go the oldest go, one by one, until the log takes at most so many bytes once it is compacted. The
   * records of the deletions are reckoned in. Given alone, the newest version of the store stays. What MLflow keeps takes
   * nothing of the log, and stays.
   */
  maxSize?: number;
  /** Versions that have one of these tags stay. */
  keepTags?: Record<string, string>;
  /** Names to which nothing happens: a glob. */
  keepName?: string;
}

export interface PruneOptions extends CallOptions {
  /** Only say what would go. */
  dryRun?: boolean;
  /** Go on although nothing would be left, or the clock can't be right. */
  force?: boolean;
  /** Is asked with the plan before anything is deleted; what it was asked about is what goes. False: nothing does. */
  confirm?: (plan: PruneReport) => boolean | Promise<boolean>;
  /** False: only delete, so that `undelete` still helps; the bytes go with the next `compact`. Default true. */
  compact?: boolean;
}

export interface PrunedVersion {
  ref: string;
  /** Bytes of its value. */
  size: number;
  /** Versions of the same millisecond share it. */
  createdAt: Date;
}

export interface PruneReport {
  dryRun: boolean;
  /** What goes, oldest first. */
  versions: PrunedVersion[];
  /** Refs that the policy would let go, and an alias, a tag, or a change in between protects. */
  protected: string[];
  /** Bytes of the log that go with them: blobs that nothing else needs, with their headers. */
  plannedBytes: number;
  /** Bytes that were dead before, and go too. */
  deadBytes: number;
  /** What compaction has freed: `plannedBytes + deadBytes` when nothing else was written. 0 when nothing was compacted. */
  freedBytes: number;
  /** What the log takes now; with `dryRun`: would take, at most, once it is compacted. */
  logBytes: number;
}

export interface CompactOptions extends CallOptions {
  dryRun?: boolean;
  /** Segments of which a smaller share is dead stay as they are. Default 0: every dead byte goes. */
  deadShare?: number;
  /** A sequence, or a moment: what was changed or deleted until then, and its history, is forgotten. */
  historyBefore?: number | Date;
}

export interface CompactReport {
  dryRun: boolean;
  /** Segments that were rewritten. */
  segments: number;
  /** Dead blobs that went. */
  blobs: number;
  /** Records of history that went. */
  records: number;
  /** Bytes of what went, with headers. */
  freedBytes: number;
  logBytesBefore: number;
  logBytesAfter: number;
  /** Bytes of old files that are still there, since other processes may read them: a later call removes them. */
  waitingBytes: number;
  /** Damage that kept segments from being rewritten: `repair` first. */
  skipped: DamageProblem[];
}

export interface BackupOptions extends CallOptions {
  /**
   * Copy every file. By default, files that are never written to again are shared with the store by hard links where
   * both lie on one file system: that takes no room and no time, but what damages such a file damages it in both.
   */
  copy?: boolean;
  /** Also read what is in the backup, and compare its checksums. */
  verify?: boolean;
  /** Only say what would be done. */
  dryRun?: boolean;
}

export interface BackupReport {
  folder: string;
  dryRun: boolean;
  /** The newest operation in it. */
  sequence: number;
  segments: number;
  /** Segments that were there already. */
  unchanged: number;
  /** Bytes that were copied. */
  copiedBytes: number;
  /** Bytes that the backup shares with the store, by hard links. */
  linkedBytes: number;
  /** Bytes of the log in the backup. */
  bytes: number;
  /** Damage in the backup, which `verify` looks for. */
  problems: DamageProblem[];
}

export interface VerifyOptions extends CallOptions {
  /** Also compute the SHA-256 of every blob; default false (checksums, chain and index). */
  full?: boolean;
  /** Milliseconds after which to stop, with `next` in the report; default: never. Each call gets on by something. */
  timeBudget?: number;
  /** Go on there: the `next` of an earlier report, whose `full` counts where none is given. */
  after?: string;
}

export interface DamageProblem {
  /** `backend`: what a storage backend has beside values, or could not be asked. */
  kind: "record" | "batch" | "segment" | "blob" | "index" | "missing" | "backend";
  message: string;
  segment?: number;
  offset?: number;
  /** Refs of artifacts that can't be loaded because of it, as far as known; of those that were not looked at. */
  refs?: string[];
  /** Where a storage backend could not be asked: what that failed with, a code of `VarveError`. */
  code?: string;
}

export type VerifyProblem = DamageProblem;

/**
 * Counts and problems are those of this call. The problems of all calls of one verification are those that one call
 * would have found; of a place that two of them tell, one has the refs.
 */
export interface VerifyReport {
  /** No problem was found, by this call. */
  ok: boolean;
  segments: number;
  batches: number;
  records: number;
  blobs: number;
  bytes: number;
  /** Damaged copies of values that have a sound copy elsewhere in the log: no problem. */
  healed: number;
  problems: VerifyProblem[];
  /** False when time was over before the end. */
  complete: boolean;
  /** Unless complete: where to go on, for `after`. */
  next?: string;
  /** How far the whole verification is: bytes of the log, then records of the index. */
  progress: Progress;
}

export interface RepairOptions extends CallOptions {
  /**
   * Where sound copies may be: folders of backups (a home or its `log` folder) and of other stores, or open stores. Only
   * read. Of the same store all that is damaged can be taken, of others values.
   */
  from?: string | ArtifactStore | readonly (string | ArtifactStore)[];
  /** Only say what would be done. */
  dryRun?: boolean;
}

export interface UnrepairedProblem extends DamageProblem {
  /** Why it stays. */
  reason: string;
}

export interface RepairReport {
  /** Whether the store is whole now (with `dryRun`: would be). */
  ok: boolean;
  dryRun: boolean;
  repaired: DamageProblem[];
  notRepaired: UnrepairedProblem[];
  /** Where damaged files were put that sound ones took the place of. */
  quarantined: string[];
  indexRebuilt: boolean;
}

/** A store whose places can be changed while it is used, as in an interactive session. */
export interface Session extends AsyncDisposable {
  /** The store as it is now: ask for it again after a change. */
  readonly store: ArtifactStore;
  readonly options: SessionOptions;
  close(): Promise<void>;
}

export interface SessionOptions {
  /** The value of an item of the configuration, as it may be printed: without credentials. */
  get(item: string): Json | undefined;
  /** All of them, with where each comes from. */
  list(): { item: string; value: Json | undefined; origin: string; from?: string }[];
  /**
   * Changes an item, or several together, for this session: the new places are checked and opened, then the old ones are
   * closed after their running calls. On failure the old ones stay. `undefined` takes it back to what configuration says.
   */
  set(item: string, value: Json | undefined): Promise<void>;
  set(items: Record<string, Json | undefined>): Promise<void>;
}

/** The reading half of a store. */
export interface StoreView extends AsyncDisposable {
  /** @throws NOT_FOUND when absent or deleted. */
  get(ref: Ref, options?: CallOptions): Promise<Artifact>;
  find(ref: Ref, options?: CallOptions): Promise<Artifact | undefined>;
  /** `get` and `value` in one step. */
  load<T = unknown>(ref: Ref, options?: CallOptions): Promise<T>;
  has(ref: Ref, options?: CallOptions): Promise<boolean>;
  /** What a filter lets through, in its order; without one the latest version of each name, in order of names. */
  list(filter?: ListFilter): AsyncIterable<Artifact>;
  /** Live versions, oldest first. */
  versions(name: string, options?: CallOptions): AsyncIterable<Artifact>;
  /** Alias to version. */
  aliases(name: string, options?: CallOptions): Promise<Record<string, number>>;
  /** What an artifact was made from, and what was made from it. */
  lineage(ref: Ref, options?: LineageOptions): Promise<LineageGraph>;
  stats(options?: StatsOptions): Promise<StoreStats>;
  /** Waits for running calls; idempotent. */
  close(): Promise<void>;
}

export interface ArtifactStore extends StoreView {
  /** The store's folder, resolved. */
  readonly home: string;
  readonly id: string;
  readonly readOnly: boolean;
  /**
   * Keeps a value, taken at the call; of bytes above 1 MiB that is the caller's duty: changing them before the promise
   * settles rejects it with `CONFLICT`. Of a Node stream, a web `ReadableStream`, an `AsyncIterable<Uint8Array>` or a `Blob`
   * the bytes are kept, read to the end while they are written, in memory of a fixed size.
   */
  save<T>(name: string, value: T, options?: SaveOptions): Promise<Artifact>;
  /** Keeps the bytes of a file of any length as they are: the digest is that of `sha256sum path`. */
  saveFile(name: string, path: string, options?: SaveOptions): Promise<Artifact>;
  /**
   * Keeps a folder as one artifact: names, contents, the executable bit, symbolic links, empty folders. Files that did not
   * change since the last version are neither read nor stored again. What can't be kept (sockets, devices, links that lead
   * out, names that are no UTF-8) rejects it with an error that names it. Folders of stores are left out.
   */
  saveDirectory(name: string, path: string, options?: SaveDirectoryOptions): Promise<Artifact>;
  /** Makes a version of a model that is in MLflow already, such as `models:/clf/3`: its value is the folder that MLflow has of it. */
  adoptMlflow(name: string, uri: string, options?: AdoptOptions): Promise<Artifact>;
  /**
   * What MLflow says now of what it keeps, for people: its registered version with aliases and tags, model, run. `artifact.mlflow`
   * has what the store knows without asking.
   * @throws INVALID_ARGUMENT for what Varve keeps; NOT_FOUND for what was removed there
   */
  describeMlflow(ref: Ref, options?: CallOptions): Promise<JsonObject>;
  /** Deletes `name:3`, `name@alias`, `name:latest` or `name:all`. */
  delete(ref: Ref, options?: DeleteOptions): Promise<DeleteReport>;
  undelete(ref: Ref, options?: CallOptions): Promise<Artifact>;
  setAlias(name: string, alias: string, version: number, options?: AliasOptions): Promise<void>;
  deleteAlias(name: string, alias: string, options?: AliasOptions): Promise<void>;
  annotate(ref: Ref, annotation: Annotation): Promise<Artifact>;
  batch(fn: (batch: Batch) => void | Promise<void>, options?: CallOptions): Promise<Artifact[]>;
  verify(options?: VerifyOptions): Promise<VerifyReport>;
  /**
   * Deletes the versions that a policy lets go and compacts their bytes away. Aliases protect always. `{ dryRun: true }`
   * says exactly what would go, and works on a store that was opened read-only too. What others change in between stays
   * as they left it: a version that got an alias, was deleted or changed its tags is among `protected`. Interrupted, it
   * has deleted a part; run it again.
   * @throws INVALID_ARGUMENT for a policy that says nothing, that would leave no version in the store (unless `force`),
   * or whose `maxSize` can't be reached (with `details.leastBytes`, also with `force`), and for an age where the clock is
   * before the newest record, or later than it by more than a year and ten times the time of use (unless `force`). Nothing
   * was deleted then.
   */
  prune(policy: PrunePolicy, options?: PruneOptions): Promise<PruneReport>;
  /**
   * Gives the space of what nothing needs any more back: the bytes of deleted versions, which can't be brought back then.
   * With `historyBefore` also what versions and aliases were up to then, and all but the numbers of those that were deleted.
   * Others may go on to save, load and delete. Interrupted, it has done a part, and the next call ends it.
   * @throws CONFLICT while another process compacts, NO_SPACE where there is no room for a new file before the old one goes
   */
  compact(options?: CompactOptions): Promise<CompactReport>;
  /**
   * Copies the store as it is at this moment to a folder, or brings a backup there up to it; what is there already stays.
   * Others may go on to save, delete and compact. The folder is a store itself: it can be opened with `readOnly`, copied
   * back, and given to `repair`. Whenever this is interrupted, the earlier backup is there, or the new one.
   * @throws INVALID_ARGUMENT for a folder in the home, or one that holds something else, CONFLICT for that of another
   * store, one that has operations that the store has not, and while another process backs up to it, NO_SPACE
   */
  backup(folder: string, options?: BackupOptions): Promise<BackupReport>;
  /**
   * Restores what is damaged from sound copies, and makes the index again where it is wrong. Nothing is deleted: files
   * that are replaced go to `quarantine` in the home.
   * @throws INVALID_ARGUMENT or NOT_FOUND for a `from` that has nothing to take, NOT_SUPPORTED for one of a newer format
   */
  repair(options?: RepairOptions): Promise<RepairReport>;
  rebuildIndex(options?: CallOptions): Promise<void>;
}
