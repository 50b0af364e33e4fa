import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Artifact, ArtifactStore } from "../../engine/api.ts";
import { versionKey } from "../../engine/artifact-key.ts";
import { encodeVersionContent, ValuePlace, versionTag } from "../../engine/artifact-record.ts";
import { contentDigest } from "../../engine/blob/digest.ts";
import type { Chunk } from "../../engine/chunk/chunks.ts";
import { chunksOf } from "../../engine/chunk/chunks.ts";
import { ListBuilder } from "../../engine/chunk/list-builder.ts";
import { MEDIA_TYPE_BYTES } from "../../engine/codec/bytes.ts";
import { preparePart, putPart } from "../../engine/large/part.ts";
import { preparePayload } from "../../engine/transaction.ts";
import { damageText, segmentsOf } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";
import { BUFFERED, collected, digestOf, listed, noise, pieces, same, whole, withCore } from "./support.ts";

/** A part of a large value that the disk has lost is told, and comes back from whoever has it. */
const test = suite("damaged large values");
test.after.each(closeAll);

const random = new Random("damaged large values");

async function chunksWith(bytes: Uint8Array): Promise<{ chunks: Chunk[]; list: Uint8Array }> {
  const chunks: Chunk[] = [];
  const builder = new ListBuilder();
  for await (const chunk of chunksOf(bytes)) {
    chunks.push(chunk);
    builder.add(chunk.digest, chunk.bytes.length);
  }
  return { chunks, list: builder.end().root.bytes };
}

/** Two chunks, of which one is so long that who saves it again does not look at it under the lock, and the list. */
const PARTS: [string, (value: { chunks: Chunk[]; list: Uint8Array }) => Uint8Array | undefined][] = [
  ["a short chunk", ({ chunks }) => chunks.slice(1).find(({ bytes }) => bytes.length < 60_000)?.bytes],
  ["a long chunk", ({ chunks }) => chunks.slice(1).find(({ bytes }) => bytes.length > 70_000)?.bytes],
  ["the list", ({ list }) => list],
];

/** A closed store with an undamaged and a damaged value, and a copy from before the damage. */
async function damagedHome(part: (typeof PARTS)[number][1]) {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  let [bytes, damaged] = [noise(random), undefined as Uint8Array | undefined];
  while (!damaged) {
    bytes = noise(random);
    damaged = part(await chunksWith(bytes));
  }
  const fine = noise(random);
  await store.save("a", bytes);
  await store.save("fine", fine);
  await store.close();
  const backup = copyHome(home);
  damageText(segmentsOf(home)[0]!, damaged);
  return { home, backup, bytes, fine };
}

const readsOf = (artifact: Artifact): (() => Promise<unknown>)[] => [
  () => artifact.bytes(),
  () => artifact.value(),
  () => collected(artifact.stream()),
];

async function healed(store: ArtifactStore, home: string, bytes: Buffer): Promise<void> {
  same(await store.load("a:0"), bytes);
  same(await collected((await store.get("a:0")).stream()), bytes);
  await whole(store);
  await store.close();
  const again = await openTestStore(home, BUFFERED);
  same(await again.load("a:0"), bytes);
  await again.rebuildIndex();
  same(await again.load("a:0"), bytes);
}

test("a stream gives all that lies before a damaged chunk", async () => {
  const last = ({ chunks }: { chunks: Chunk[] }) => chunks.at(-1)!.bytes;
  const { home, bytes } = await damagedHome(last);
  const store = await openTestStore(home, BUFFERED);
  const got: Uint8Array[] = [];
  const reader = (await store.get("a")).stream().getReader();
  const read = async () => {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) got.push(piece.value);
  };
  await failureWithHint(read, "CORRUPTION");
  const { length } = last(await chunksWith(bytes));
  same(Buffer.concat(got), bytes.subarray(0, bytes.length - length));
});

for (const [what, part] of PARTS) {
  test(`${what}: CORRUPTION, which verify tells; all else is read`, async () => {
    const { home, bytes, fine } = await damagedHome(part);
    const store = await openTestStore(home, BUFFERED);
    for (let round = 0; round < 2; round++) {
      const artifact = await store.get("a");
      assert.equal([artifact.size, artifact.digest], [bytes.length, digestOf(bytes)]);
      const reads = [() => store.load("a"), ...readsOf(artifact)];
      for (const read of reads) await failureWithHint(read, "CORRUPTION");
      await failureWithHint(artifact.writeTo(`${newFolder()}/file`), "CORRUPTION");
      same(await store.load("fine"), fine);
      const report = await store.verify({ full: true });
      assert.not(report.ok);
      assert.is(report.problems.length, 1);
      assert.is(report.problems[0]!.segment, 1);
      assert.equal(report.problems[0]!.refs, ["a:0"], "whose value it is a part of");
      await store.rebuildIndex();
    }
    if (what !== "the list") same(await (await store.get("a")).bytes({ end: 9 }), bytes.subarray(0, 9));
  });

  const ways: [string, (bytes: Buffer) => unknown][] = [
    ["bytes", (bytes) => bytes],
    ["a stream", (bytes) => pieces(bytes, random)],
    [
      "a stream that begins in another way",
      (bytes) => pieces(Buffer.concat([listed(random, 1), bytes]), random),
    ],
    ["bytes that begin in another way", (bytes) => Buffer.concat([listed(random, 1), bytes])],
  ];
  for (const [way, value] of ways.slice(0, what === "the list" ? 2 : 4)) {
    test(`${what} is healed by saving ${way}`, async () => {
      const { home, bytes } = await damagedHome(part);
      const store = await openTestStore(home, BUFFERED);
      await store.save("again", value(bytes));
      same((await store.load<Buffer>("again")).subarray(-bytes.length), bytes);
      await healed(store, home, bytes);
    });
  }

  test(`${what} is healed by a backup`, async () => {
    const { home, backup, bytes } = await damagedHome(part);
    const store = await openTestStore(home, BUFFERED);
    const { ok, notRepaired } = await store.repair({ from: backup });
    assert.equal([ok, notRepaired], [true, []]);
    await healed(store, home, bytes);
  });
}

test("what is damaged, deleted and compacted away troubles nobody", async () => {
  const { home, fine } = await damagedHome(PARTS[0]![1]);
  const store = await openTestStore(home, BUFFERED);
  await store.delete("a:0");
  await store.compact();
  same(await store.load("fine"), fine);
  assert.ok((await store.verify({ full: true })).problems.length <= 1);
});

test("a list that says other lengths than its chunks have is CORRUPTION, not other bytes", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  const chunks = [noise(random, 90_000), noise(random, 90_000)];
  for (const [n, wrong] of [90_001, 89_999].entries()) {
    const lists = new ListBuilder();
    for (const bytes of chunks) lists.add(contentDigest(bytes), bytes === chunks[0] ? wrong : 90_000);
    const { root } = lists.end();
    const size = 90_000 + wrong;
    await withCore(home, (core) =>
      core.commit({
        run: (transaction) => {
          for (const bytes of chunks)
            putPart(transaction, preparePart(core, { digest: contentDigest(bytes), bytes }));
          const references = chunks.map((bytes) => contentDigest(bytes));
          putPart(transaction, preparePart(core, { digest: root.digest, bytes: root.bytes, references }));
          const content = encodeVersionContent({ size, digest: contentDigest(Buffer.alloc(0)) });
          const tag = versionTag(MEDIA_TYPE_BYTES, {
            deleted: false,
            rewritten: false,
            place: ValuePlace.tree,
          });
          const payload = preparePayload([root.digest], content, 0n);
          transaction.put(versionKey("forged", n), payload, { tag, isNew: true });
        },
        bytes: 200_000,
        durable: false,
      }),
    );
    const artifact = await store.get(`forged:${n}`);
    assert.is(artifact.size, size);
    const reads = [() => artifact.bytes({ end: 9 }), ...readsOf(artifact)];
    for (const read of reads) await failureWithHint(read, "CORRUPTION");
    same(await artifact.bytes({ start: wrong }), chunks[1]!);
  }
});

test.run();
