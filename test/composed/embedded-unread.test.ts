import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openEmbeddedMetadata } from "../../engine/composed/embedded-metadata.ts";
import { VarveError } from "../../engine/main.ts";
import { latest, refsOf, save, unit } from "../conformance/metadata-support.ts";
import { WatchedFiles } from "../helpers/files.ts";
import { fastFolder, newFolder, removeFolders } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";

const test = suite("metadata: embedded, whose disk fails behind a commit");
test.after.each(removeFolders);

const code = { sources: [{ file: "train.ts", text: "let x = 1;\n".repeat(1_000) }] };

test("what was committed and can't be read back is told so in its place, and the others as they are", async () => {
  const files = new WatchedFiles();
  const store = await openEmbeddedMetadata(newFolder(fastFolder()), { files, cacheSize: 0 });
  const fail = () => {
    throw Object.assign(new Error("the disk fails"), { code: "EIO" });
  };
  // The log is synced when everything is in it.
  files.onSync = () => {
    files.onRead = fail;
  };
  const results = await store.commit([
    unit([save("with", { code })]),
    unit([save("without")]),
    unit([{ kind: "annotate", target: latest("none"), tags: {} }]),
  ]);
  files.onSync = undefined;
  files.onRead = undefined;
  const [unread, whole, refused] = results;
  assert.instance(unread, VarveError);
  const { code: kind, message, outcome, hint, details } = unread as VarveError;
  assert.equal([kind, outcome, details?.sequence], ["IO", "unknown", 1]);
  assert.match(message, /was committed as operation 1, and can't be read back.*the disk fails/);
  assert.match(hint!, /don't do it again/);
  assert.is((whole as { sequence: number }).sequence, 2);
  assert.is((refused as VarveError).code, "NOT_FOUND");
  assert.equal(await refsOf(store), ["with:0", "without:0"]);
  assert.equal((await store.find(latest("with")))!.code, code);
  await store.close();
});

test.run();
