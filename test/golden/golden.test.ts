import assert from "node:assert";
import { cpSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import { openEmbeddedMetadata } from "../../engine/composed/embedded-metadata.ts";
import { openEngine } from "../../engine/key-value.ts";
import { FORMAT_VERSION } from "../../engine/log/format.ts";
import { openStore } from "../../engine/main.ts";
import { saved } from "../conformance/metadata-support.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, track } from "../helpers/stores.ts";
import { large, Point, pointCodec, special } from "./contents.ts";
import { contentsElsewhere } from "./elsewhere-contents.ts";
import { contentsKept, overServer, server, settings } from "./kept-contents.ts";

const golden = suite("stores of every format");
golden.after.each(closeAll);

const formats = readdirSync(import.meta.dirname).filter((name) => name.startsWith("format-"));

function copyOf(format: string, application: string): string {
  const home = join(newFolder(), application);
  cpSync(join(import.meta.dirname, format, application), home, { recursive: true });
  return home;
}

golden("there is one of the newest format, of several segments", () => {
  assert.ok(formats.includes(`format-${FORMAT_VERSION}`));
  const log = join(import.meta.dirname, `format-${FORMAT_VERSION}`, "artifact", "log");
  assert.ok(readdirSync(log).length >= 3);
});

for (const format of formats) {
  for (const readOnly of [true, false]) {
    golden(
      `${format}: an artifact store opens ${readOnly ? "read-only" : "for writing"} with all that was saved`,
      async () => {
        const home = copyOf(format, "artifact");
        const store = track(await openStore({ home, readOnly, codecs: [pointCodec], environment: false }));
        const facts = [];
        for (const deleted of [false, true]) {
          for await (const artifact of store.list({ allVersions: true, deleted })) {
            const { environment, ...rest } = artifact;
            assert.deepStrictEqual(environment, {});
            facts.push(JSON.parse(JSON.stringify(rest)));
          }
        }
        const expected = JSON.parse(readFileSync(join(import.meta.dirname, format, "artifact.json"), "utf8"));
        assert.deepStrictEqual(facts, expected);
        assert.deepStrictEqual(await store.load("values/special"), special);
        assert.deepStrictEqual(await store.load("values/point"), new Point(3, 4));
        assert.deepStrictEqual(await store.load("values/large"), large);
        assert.deepStrictEqual(await store.load("iris/model@production"), { weights: [4, 5, 6] });
        assert.deepStrictEqual(await store.aliases("iris/model"), { production: 1 });
        const { edges } = await store.lineage("iris/raw", { direction: "down" });
        assert.deepStrictEqual(edges.map(({ to }) => to).sort(), ["iris/model:0", "iris/model:1"]);
        assert.deepStrictEqual((await store.verify({ full: true })).problems, []);
        if (!readOnly) assert.strictEqual((await store.save("iris/model", 1)).version, 3);
      },
    );

    golden(
      `${format}: an engine opens ${readOnly ? "read-only" : "for writing"} with all that was put`,
      async () => {
        const engine = track(await openEngine(copyOf(format, "keyvalue"), { readOnly }));
        const entries = [];
        for await (const entry of engine.range()) entries.push(entry);
        const long = "x".repeat(10_000);
        assert.deepStrictEqual(entries, [
          [-1.5, special],
          ["text", { a: 2 }],
          [new Uint8Array([0, 255]), "bytes"],
          [["runs", 1], long],
          [["runs", 2], long],
          [["runs", "z\0"], null],
        ]);
        assert.strictEqual((await engine.stats()).blobs, 1);
        if (!readOnly)
          assert.strictEqual((await engine.put("next", 1)).sequence, (await engine.stats()).sequence);
      },
    );
  }
}

for (const readOnly of [true, false]) {
  golden(
    `elsewhere: metadata of values outside the log open ${readOnly ? "read-only" : "for writing"} with all that was saved`,
    async () => {
      const home = copyOf("elsewhere", "home");
      const metadata = track(await openEmbeddedMetadata(home, { readOnly }));
      const expected = readFileSync(join(import.meta.dirname, "elsewhere", "contents.json"), "utf8");
      assert.deepStrictEqual(await contentsElsewhere(metadata), JSON.parse(expected));
      assert.deepStrictEqual(await metadata.check(), []);
      if (!readOnly) assert.strictEqual((await saved(metadata, "model")).version, 1);
    },
  );
}

for (const readOnly of [true, false]) {
  golden(
    `kept: a store of which a backend keeps some values opens ${readOnly ? "read-only" : "for writing"} with all that was saved`,
    async () => {
      const home = copyOf("kept", "home");
      const store = track(await openStore({ home, readOnly, ...settings }, overServer));
      const expected = readFileSync(join(import.meta.dirname, "kept", "contents.json"), "utf8");
      assert.deepStrictEqual(await contentsKept(store), JSON.parse(expected));
      const { problems } = await store.verify({ full: true });
      assert.deepStrictEqual([...new Set(problems.map(({ kind }) => kind))], ["missing"], "the log is whole");
      await assert.rejects(store.load("clf:0"), { code: "NOT_FOUND" });
      const clf = { ...(await store.get("clf:0")).mlflow };
      assert.deepStrictEqual([clf.modelUri, clf.trackingUri], ["models:/clf/1", server.uri]);
      if (!readOnly) assert.strictEqual((await store.save("clf", 1)).version, 3);
    },
  );
}

golden.run();
