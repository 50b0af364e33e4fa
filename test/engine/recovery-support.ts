import type { ArtifactStore } from "../../engine/api.ts";
import { newFolder } from "../helpers/folders.ts";
import { openSeamStore } from "../helpers/stores.ts";

/** Everything that a store answers. */
export async function answers(store: ArtifactStore): Promise<unknown> {
  const artifacts = [];
  for (const filter of [{ allVersions: true }, { deleted: true }]) {
    for await (const artifact of store.list(filter)) {
      const { ref, digest, size, sequence, createdAt, tags, metadata, aliases, inputs, code, deleted } =
        artifact;
      const value = deleted ? undefined : await artifact.value();
      artifacts.push({
        ref,
        digest,
        size,
        sequence,
        createdAt,
        tags,
        metadata,
        aliases,
        inputs,
        code,
        deleted,
        value,
      });
    }
  }
  const { indexBytes, segments, logBytes, ...stats } = await store.stats();
  return { artifacts, stats };
}

export async function filledHome(segmentBytesMax = 2000): Promise<string> {
  const home = newFolder();
  const store = await openSeamStore(home, { segmentBytesMax });
  await fill(store);
  await store.close();
  return home;
}

export async function fill(store: ArtifactStore): Promise<void> {
  for (let i = 0; i < 40; i++) {
    await store.save(`n${i % 5}`, { i, text: "t".repeat((i % 7) * 60) }, { tags: { i: `${i}` } });
  }
  await store.save("code", Buffer.alloc(100_000, 1), { code: "c".repeat(900), inputs: ["n0:1"] });
  await store.setAlias("n1", "prod", 2);
  await store.setAlias("n2", "gone", 0);
  await store.deleteAlias("n2", "gone");
  await store.delete("n3:all");
  await store.undelete("n3:1");
  await store.delete("n1:2", { aliases: true });
  await store.annotate("n4", { tags: { i: null, new: "x" }, metadata: { a: 1 } });
}
