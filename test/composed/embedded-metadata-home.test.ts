import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { EmbeddedMetadataOptions } from "../../engine/composed/embedded-metadata.ts";
import { openEmbeddedMetadata } from "../../engine/composed/embedded-metadata.ts";
import type { MetadataStore, OperationRecord } from "../../engine/main.ts";
import {
  all,
  apply,
  at,
  digestOf,
  factsOf,
  hex,
  latest,
  plain,
  query,
  START,
  save,
  saved,
  unit,
} from "../conformance/metadata-support.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { failAll } from "../helpers/failing-disk.ts";
import { WatchedFiles } from "../helpers/files.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, openSeamStore, openTestStore, track } from "../helpers/stores.ts";

const test = suite("metadata in the log of a home");
test.after.each(closeAll);

async function openMetadata(home: string, options: EmbeddedMetadataOptions = {}) {
  return track(await openEmbeddedMetadata(home, options));
}

const LONG_CODE = { sources: [{ file: "train.ts", text: "let x;\n".repeat(200) }] };

/** Versions of every kind: live, deleted, forgotten; with long code, an environment, inputs and aliases. */
async function fill(metadata: MetadataStore): Promise<void> {
  await apply(metadata, save("data", { value: factsOf("data"), environment: { user: "mia" } }));
  const value = { ...factsOf("tree"), mediaType: "text/tree", stamps: digestOf("stamps") };
  await saved(metadata, "model", { value, code: LONG_CODE, inputs: [latest("data")], tags: { x: "1" } });
  await apply(metadata, { kind: "alias", name: "model", alias: "best", version: 0 });
  const { sequence } = await apply(
    metadata,
    ...[0, 1, 2].map(() => save("old", { code: LONG_CODE, value: factsOf("old") })),
    { kind: "delete", target: at("old", 0), aliases: false },
  );
  await metadata.forget(sequence);
  await apply(metadata, { kind: "delete", target: at("old", 1), aliases: false });
}

async function everything(metadata: MetadataStore): Promise<unknown[]> {
  const records = [];
  for (const mode of ["live", "deleted"] as const)
    for await (const record of metadata.list(query({ mode }))) records.push(plain(record));
  return records;
}

test("a store without the place of the values lists and changes such versions, and says where values are not", async () => {
  const home = newFolder();
  const metadata = await openMetadata(home);
  await fill(metadata);
  const store = await openTestStore(home);
  const artifact = await store.get("model@best");
  assert.is(artifact.digest, `sha256:${hex(digestOf("tree"))}`);
  assert.equal([artifact.size, artifact.mediaType, artifact.code], [4, "text/tree", LONG_CODE]);
  for (const call of [
    () => store.load("model"),
    () => store.load("data"),
    () => artifact.value(),
    () => artifact.bytes(),
    () => artifact.writeTo(join(newFolder(), "copy")),
    () => artifact.stream().getReader().read(),
  ]) {
    const error = await failureWithHint(call, "CONFIG");
    assert.match(error.hint!, /artifactStorageDir/);
  }
  const digest = hex(digestOf("tree"));
  assert.equal(
    (await all(store.list({ digest }))).map(({ ref }) => ref),
    ["model:0"],
  );
  assert.equal((await all(store.list({ sort: "size", allVersions: true }))).length, 3);
  assert.is((await store.lineage("model")).nodes.length, 2);
  await store.annotate("model", { tags: { y: "2" } });
  await store.undelete("old:1");
  const error = await failure(store.undelete("old:0"), "NOT_FOUND");
  assert.match(error.message, /compacted away/);
  assert.equal((await store.stats()).valueBytes, 4 + 4 + 3 + 3);
  for (const save of [
    () => store.save("more", 1),
    () => store.saveFile("more", import.meta.filename),
    () => store.saveDirectory("more", import.meta.dirname),
    () => store.batch((batch) => void batch.save("more", 1)),
  ])
    await failureWithHint(save, "CONFIG");
  await store.batch((batch) => batch.setAlias("model", "kept", 0));
  assert.is(await store.has("more"), false);
  assert.equal((await store.verify()).problems, []);
  const record = await metadata.find(latest("model"));
  assert.equal(
    [record?.tags, record?.stamps && hex(record.stamps)],
    [{ x: "1", y: "2" }, hex(digestOf("stamps"))],
  );
});

test("a home that has values in its log is not taken for one whose values are elsewhere", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("a", 1);
  await failureWithHint(() => openMetadata(home), "CONFIG");
  await store.delete("a:0");
  await failureWithHint(() => openMetadata(home), "CONFIG");
});

test("all of it is in the log: an index made anew says the same", async () => {
  const home = newFolder();
  const metadata = await openMetadata(home);
  await fill(metadata);
  const before = await everything(metadata);
  const feed = await all(metadata.operations(0));
  const counts = await metadata.counts();
  const store = await openTestStore(home);
  await store.rebuildIndex();
  assert.equal(await everything(metadata), before);
  assert.equal(await all(metadata.operations(0)), feed);
  assert.equal({ ...(await metadata.counts()), bytes: 0 }, { ...counts, bytes: 0 });
  assert.equal(await metadata.check(), []);
});

test("what only the feed can tell stands in the log: undeletes, prunes, and forgetting is no operation", async () => {
  const metadata = await openMetadata(newFolder());
  await saved(metadata, "a");
  const { sequence } = await saved(metadata, "a");
  const unless = { changedAfter: sequence };
  await apply(metadata, { kind: "delete", target: at("a", 0), aliases: false, unless });
  await apply(metadata, { kind: "undelete", name: "a", version: 0 });
  await apply(metadata, { kind: "annotate", target: at("a", 0), tags: { x: "1" } });
  const last = await apply(metadata, { kind: "delete", target: at("a", 0), aliases: false });
  await metadata.forget(last.sequence);
  const kinds = (await all(metadata.operations(0))).map(({ kind }) => kind);
  assert.equal(kinds, ["save", "save", "prune", "undelete", "annotate", "delete"]);
});

test("a feed goes on behind any number across many segments", async () => {
  const home = newFolder();
  const metadata = await openMetadata(home, { segmentBytesMax: 16 * 1024, durable: false });
  for (let i = 0; i < 20; i++)
    await metadata.commit(Array.from({ length: 40 }, (_, j) => unit([save(`n${j}`)], START + i)));
  const feed = await all(metadata.operations(0));
  assert.is(feed.length, 800);
  const sequences = (operations: OperationRecord[]) => operations.map(({ sequence }) => sequence);
  for (const after of [1, 39, 40, 41, 333, 799, 800]) {
    const behind = await all(metadata.operations(after));
    assert.equal(
      sequences(behind),
      sequences(feed).filter((sequence) => sequence > after),
    );
  }
});

test("behind a compaction a feed begins at the horizon, whoever compacted, and with an index made anew", async () => {
  const home = newFolder();
  const metadata = await openMetadata(home, { segmentBytesMax: 16 * 1024, durable: false });
  await metadata.commit(
    Array.from({ length: 300 }, (_, i) => unit([save(`n${i % 60}`, { code: LONG_CODE })])),
  );
  await metadata.commit(
    Array.from({ length: 200 }, (_, i) =>
      unit([{ kind: "annotate", target: at(`n${i % 60}`, 0), tags: { x: `${i}` } }]),
    ),
  );
  const removed = Array.from({ length: 30 }, (_, i) =>
    unit([{ kind: "delete" as const, target: { name: `n${i}`, kind: "all" as const }, aliases: false }]),
  );
  await metadata.commit(removed);
  await metadata.forget((await metadata.counts()).sequence);
  const before = (await all(metadata.list(query()))).map(plain);
  const { sequence } = await metadata.counts();
  // What is annotated later is told as it became, and as it was.
  await metadata.commit([unit([{ kind: "annotate", target: at("n50", 0), tags: { x: "late" } }])]);
  const reading = metadata.operations(0)[Symbol.asyncIterator]();
  await reading.next();
  // Whoever opens the home alone tells of the horizon too.
  const store = await openSeamStore(home);
  const report = await store.compact({ historyBefore: sequence });
  assert.ok(report.segments > 0);
  const rest = async () => {
    for (let step = await reading.next(); !step.done; step = await reading.next());
  };
  for (const call of [rest, () => all(metadata.operations(0))])
    assert.equal((await failure(call, "NOT_FOUND")).details?.horizon, sequence);
  const behind = await all(metadata.operations(sequence));
  assert.equal(
    behind.map(({ kind, name, state }) => [kind, name, state?.tags]),
    [["annotate", "n50", { x: "late" }]],
  );
  await store.rebuildIndex();
  assert.equal(await all(metadata.operations(sequence)), behind);
  await failure(all(metadata.operations(0)), "NOT_FOUND");
  await apply(metadata, { kind: "annotate", target: at("n50", 0), tags: { x: "139" } });
  assert.equal((await all(metadata.list(query()))).map(plain).length, before.length);
  assert.equal(await metadata.check(), []);
});

test("long code stays as long as its version can be brought back or is live", async () => {
  const home = newFolder();
  const metadata = await openMetadata(home);
  await saved(metadata, "a", { code: LONG_CODE });
  await saved(metadata, "b", { code: { sources: [{ text: "y".repeat(5_000) }] } });
  await apply(metadata, { kind: "delete", target: at("b", 0), aliases: false });
  await metadata.forget((await metadata.counts()).sequence);
  await (await openTestStore(home)).compact();
  // What the first handle has read it keeps.
  const other = await openMetadata(home);
  assert.equal((await other.at("a", 0))?.code, LONG_CODE);
  const forgotten = await other.at("b", 0);
  assert.equal([forgotten?.code, forgotten?.isForgotten, forgotten?.size], [undefined, true, 1]);
});

test("a call of which nothing can be said rejects: with an open outcome where the disk failed", async () => {
  const files = new WatchedFiles();
  const metadata = await openMetadata(newFolder(), { files });
  await saved(metadata, "a");
  failAll(files);
  const error = await failure(metadata.commit([unit([save("a")]), unit([save("b")])]), "IO");
  assert.is(error.outcome, "unknown");
  files.onSync = undefined;
});

test("what was opened to be read takes no changes", async () => {
  const home = newFolder();
  const metadata = await openMetadata(home);
  await saved(metadata, "a");
  await metadata.close();
  const reader = await openMetadata(home, { readOnly: true });
  await failure(reader.commit([unit([save("a")])]), "READ_ONLY");
  await failure(reader.forget(1), "READ_ONLY");
  assert.is((await reader.find(latest("a")))?.version, 0);
  assert.is((await all(reader.operations(0))).length, 1);
});

test("a new home takes the id that it is given, and no home is made where that is not asked for", async () => {
  const storeId = "0123456789abcdef0123456789abcdef";
  const metadata = await openMetadata(newFolder(), { storeId });
  assert.is(metadata.storeId, storeId);
  const empty = join(newFolder(), "none");
  mkdirSync(empty);
  await failure(openMetadata(empty, { create: false }), "NOT_FOUND");
});

test.run();
