/**
 * Every name of the public contract, used once; it only has to compile. A name that is still to come is marked with
 * `@ts-expect-error later`: the mark itself becomes an error on the day the name exists.
 */

import type { Engine, Key, Operation, Snapshot } from "../../engine/key-value.ts";
import { openEngine } from "../../engine/key-value.ts";
import type {
  Annotation,
  Artifact,
  ArtifactStore,
  BackupReport,
  Batch,
  CallOptions,
  Code,
  Codec,
  CompactReport,
  DeleteReport,
  Directory,
  DirectoryEntry,
  Environment,
  Json,
  JsonObject,
  LineageGraph,
  ListFilter,
  Logger,
  Pending,
  Progress,
  PrunePolicy,
  PruneReport,
  Ref,
  RepairReport,
  SaveDirectoryOptions,
  SaveOptions,
  StoreOptions,
  StoreStats,
  StoreView,
  VarveErrorCode,
  VerifyReport,
} from "../../engine/main.ts";
import { loadConfig, openStore, VarveError } from "../../engine/main.ts";
import { models } from "./models.ts";

declare const codec: Codec;
declare const logger: Logger;
declare const other: ArtifactStore;
declare const signal: AbortSignal;

export async function storeContract(): Promise<void> {
  const options: StoreOptions = {
    home: "./.varve",
    artifactStorageDir: "s3://bucket/prefix",
    databaseUrl: "postgresql://host/database",
    storageOptions: { endpoint: "http://127.0.0.1:9000" },
    mlflowTrackingUri: "http://127.0.0.1:5000",
    mlflowRegistryUri: "http://127.0.0.1:5000",
    defaultMlModelsStorageBackend: "mlflow",
    durability: "durable",
    maxSize: 1e9,
    minFreeSpace: 64 * 1024 * 1024,
    cacheSize: 64 * 1024 * 1024,
    readOnly: false,
    create: true,
    codecs: [codec],
    logger,
    clock: () => new Date(),
    environment: ["git", "packages", "command", "diff"],
  };
  const config: StoreOptions = await loadConfig({ home: "./.varve" });
  const store: ArtifactStore = await openStore({ ...config, ...options });
  const view: StoreView = store;
  await using disposed = await openStore();
  void disposed;
  await reading(view);
  await writing(store);
  await artifacts(await store.get("iris/model:0"));
  await models(store);
  await later(store);
  await store.close();
}

async function reading(view: StoreView): Promise<void> {
  const call: CallOptions = { signal, onProgress: (progress: Progress) => void progress };
  const ref: Ref = "iris/model@production";
  const artifact: Artifact = await view.get(ref, call);
  const found: Artifact | undefined = await view.find(artifact);
  const value: { weights: number[] } = await view.load<{ weights: number[] }>("iris/model:latest");
  const there: boolean = await view.has("iris/model");
  const filter: ListFilter = {
    name: "iris/**",
    tags: { stage: "dev" },
    metadata: { accuracy: { gte: 0.9 }, loss: { lt: 1, exists: true }, kind: { in: ["a", "b"] } },
    where: "metadata.accuracy >= 0.9 and tags.stage = 'dev'",
    since: new Date(0),
    until: new Date(),
    mediaType: "application/cbor",
    minSize: 1,
    maxSize: 2,
    digest: "sha256:00",
    createdBy: "ada",
    allVersions: true,
    deleted: false,
    sort: "createdAt",
    reverse: true,
    limit: 10,
    after: artifact.ref,
  };
  for await (const listed of view.list(filter)) void (listed satisfies Artifact);
  for await (const version of view.versions("iris/model")) void (version satisfies Artifact);
  const aliases: Record<string, number> = await view.aliases("iris/model");
  const graph: LineageGraph = await view.lineage("iris/model", { direction: "both", depth: 1 });
  const stats: StoreStats = await view.stats();
  void [found, value, there, aliases, graph, stats];
  await view.close();
}

async function writing(store: ArtifactStore): Promise<void> {
  const metadata: JsonObject = { accuracy: 0.97 };
  const json: Json = metadata;
  const options: SaveOptions = {
    code: { files: ["train.ts"] },
    inputs: ["iris/clean:2"],
    tags: { stage: "dev" },
    metadata,
    codec,
    mediaType: "application/cbor",
    backend: "varve",
    ifVersion: "absent",
  };
  await store.save("iris/model", json, options);
  await store.saveFile("iris/raw", "iris.csv", { mediaType: "text/csv" });
  const how: SaveDirectoryOptions = { ignore: ["*.log"], checkContents: true, tags: { stage: "dev" } };
  await store.saveDirectory("iris/folder", "folder", how);
  const directory: Directory = await store.load<Directory>("iris/folder");
  for await (const entry of directory.list()) {
    const { path, kind, size, executable, target, digest }: DirectoryEntry = entry;
    void [path, kind, size, executable, target, digest];
  }
  await directory.read("data.csv", { start: 0, end: 10 });
  await directory.stream("data.csv").cancel();
  await directory.writeTo("elsewhere");
  const report: DeleteReport = await store.delete("iris/model:all", { aliases: true, purge: false });
  await store.undelete("iris/model:0");
  await store.setAlias("iris/model", "production", 0);
  await store.deleteAlias("iris/model", "production");
  const annotation: Annotation = { tags: { stage: null }, metadata: { accuracy: null } };
  await store.annotate("iris/model", annotation);
  const saved: Artifact[] = await store.batch(async (batch: Batch) => {
    const pending: Pending = batch.save("m", 1, { inputs: ["iris/model"] });
    batch.save("n", 2, { inputs: [pending] });
    batch.setAlias("m", "prod", pending);
    batch.deleteAlias("m", "prod");
    batch.annotate(pending, { tags: { a: "b" } });
    batch.delete(pending);
  });
  const verified: VerifyReport = await store.verify({ full: true, signal, timeBudget: 1_000 });
  if (verified.next) await store.verify({ after: verified.next });
  const repaired: RepairReport = await store.repair({ from: ["backup", store], dryRun: true });
  const backedUp: BackupReport = await store.backup("folder", {
    copy: true,
    verify: true,
    dryRun: true,
    signal,
  });
  const policy: PrunePolicy = {
    keepLast: 3,
    olderThan: "30d",
    tags: {},
    maxSize: 1,
    keepTags: {},
    keepName: "a",
  };
  const pruned: PruneReport = await store.prune(policy, {
    dryRun: true,
    force: true,
    compact: false,
    signal,
  });
  const compacted: CompactReport = await store.compact({ dryRun: true, deadShare: 0.5, historyBefore: 1 });
  const { byName = [] } = await store.stats({ byName: true });
  await store.rebuildIndex();
  void [report, saved, verified, repaired, backedUp, pruned, compacted, byName];
}

async function artifacts(artifact: Artifact): Promise<void> {
  const { name, version, ref, digest, mediaType, size, createdAt, sequence, backend } = artifact;
  const code: Code | undefined = artifact.code;
  const environment: Environment = artifact.environment;
  const { inputs, tags, metadata, aliases } = artifact;
  const value: number = await artifact.value<number>();
  const bytes: Uint8Array = await artifact.bytes({ start: 0, end: 10 });
  const stream: ReadableStream<Uint8Array> = artifact.stream({ start: 5 });
  await artifact.writeTo("out.bin");
  void [name, version, ref, digest, mediaType, size, createdAt, sequence, backend, code, environment];
  void [inputs, tags, metadata, aliases, value, bytes, stream];
}

/** Names that are still to come. */
async function later(store: ArtifactStore): Promise<void> {
  // @ts-expect-error later
  await store.trace(() => 1);
  // @ts-expect-error later
  await store.compute("iris/model", { inputs: {}, params: 1, version: "1", reuse: "always" }, () => 1);
  // @ts-expect-error later
  await store.explain("iris/model", {}, () => 1);
  // @ts-expect-error later
  store.at(new Date());
  // @ts-expect-error later
  store.changes({ after: 0, follow: true });
  // @ts-expect-error later
  await store.exportTo("file");
  // @ts-expect-error later
  await store.importFrom("file");
  // @ts-expect-error later
  await store.copyTo(other);
  // @ts-expect-error later
  const session = (await import("../../engine/main.ts")).openSession;
  void [other, session];
}

export function errors(error: unknown): string | undefined {
  if (!(error instanceof VarveError)) return undefined;
  const codes: Record<VarveErrorCode, true> = {
    NOT_FOUND: true,
    INVALID_ARGUMENT: true,
    UNSUPPORTED_VALUE: true,
    CONFLICT: true,
    CORRUPTION: true,
    CLOSED: true,
    READ_ONLY: true,
    NO_SPACE: true,
    IO: true,
    NOT_SUPPORTED: true,
    MISSING_DRIVER: true,
    UNAVAILABLE: true,
    UNAUTHORIZED: true,
    CONFIG: true,
    ABORTED: true,
  };
  return codes[error.code]
    ? `${error.code} ${error.hint} ${error.outcome satisfies "unknown" | undefined} ${error.cause}`
    : "";
}

export async function engineContract(): Promise<void> {
  const engine: Engine = await openEngine("folder", { durability: "buffered" });
  const key: Key = ["runs", 1];
  const operations: Operation[] = [
    { type: "put", key, value: 1, ifAbsent: true },
    { type: "del", key: "a" },
  ];
  const value: number | undefined = await engine.get<number>(key);
  const values: unknown[] = await engine.getMany(["a", 1, new Uint8Array()]);
  const there: boolean = await engine.has(key);
  const { sequence } = await engine.put(key, 1, { ifAbsent: true, ifSequence: 3 });
  const removed: boolean = await engine.del(key);
  await engine.batch(operations);
  for await (const [found, held] of engine.range({
    gt: "a",
    lte: "b",
    reverse: true,
    limit: 1,
    values: false,
  }))
    void [found, held];
  for await (const [found] of engine.range({ gte: "a", lt: "b" })) void found;
  for await (const [found] of engine.range({ prefix: ["runs"] })) void found;
  const snapshot: Snapshot = engine.snapshot();
  await snapshot.get(key);
  await snapshot.has(key);
  for await (const [found] of snapshot.range()) void found;
  await snapshot.close();
  await engine.compact();
  await engine.verify({ timeBudget: 1_000 });
  await engine.repair({ from: "backup" });
  await engine.stats();
  await engine.close();
  void [value, values, there, sequence, removed];
}
