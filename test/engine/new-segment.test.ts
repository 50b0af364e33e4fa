import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { segmentsOf } from "../helpers/damage.ts";
import {
  assertWhole,
  failHeld,
  healAll,
  isSegment,
  newSeam,
  startSaver,
  turn,
} from "../helpers/failing-disk.ts";
import { systemError, WatchedFiles } from "../helpers/files.ts";
import { newFolder } from "../helpers/folders.ts";
import { killPrograms } from "../helpers/processes.ts";
import { closeAll, openSeamStore } from "../helpers/stores.ts";

const test = suite("a new segment");
test.after.each(closeAll);
test.after.each(killPrograms);

test("a segment whose maker died before its name was on the disk is named durably before it is used", async () => {
  const { files, home, store } = await newSeam();
  await store.save("a", 0);
  const other = await startSaver(home, "durable", 200);
  await other.ask("die syncFolder");
  other.tell("save o 0");
  await other.ended();
  assert.is(segmentsOf(home).length, 2);
  files.calls.length = 0;
  assert.is((await store.save("a", 1)).version, 1);
  assert.equal(files.calls, ["syncFolder log", "append 0000000002.varve", "sync 0000000002.varve"]);
  files.calls.length = 0;
  await store.save("a", 2);
  assert.equal(files.calls, ["append 0000000002.varve", "sync 0000000002.varve"]);
  await assertWhole(home, store);
});

test("a new segment can fail at every step: nothing is acknowledged wrongly, and the next save goes on", async () => {
  type Break = (files: WatchedFiles) => void;
  const codes = process.env.VARVE_UNSTEADY_MILLISECONDS
    ? ["EIO", "ENOSPC", "EMFILE", "EACCES"]
    : ["EIO", "ENOSPC"];
  const steps: [string, Break][] = codes.flatMap((code): [string, Break][] => [
    [
      `${code} create`,
      (files) => {
        files.onOpen = (_, mode) => {
          if (mode === "create") throw systemError(code, "open");
        };
      },
    ],
    [
      `${code} write`,
      (files) => {
        files.onAppend = (pieces, write) => {
          write([Buffer.concat(pieces).subarray(0, 60)]);
          throw systemError(code, "write");
        };
      },
    ],
    [
      `${code} sync`,
      (files) => {
        files.onSync = (path) => {
          if (!isSegment(path)) throw systemError(code, "fdatasync");
        };
      },
    ],
    [
      `${code} before the name`,
      (files) => {
        files.onPublish = () => {
          throw systemError(code, "link");
        };
      },
    ],
    [
      `${code} behind the name`,
      (files) => {
        files.onPublish = (_, publish) => {
          publish();
          throw systemError(code, "unlink");
        };
      },
    ],
    [
      `${code} sync of the name`,
      (files) => {
        files.onSyncFolder = () => {
          files.onSyncFolder = undefined;
          throw systemError(code, "fsync");
        };
      },
    ],
    [
      `${code} opening it`,
      (files) => {
        files.onOpen = (path, mode) => {
          if (mode === "append" && path.endsWith("0000000002.varve")) throw systemError(code, "open");
        };
      },
    ],
  ]);
  for (const [step, fail] of steps) {
    const { files, home, store } = await newSeam("durable", { segmentBytesMax: 300 });
    await store.save("a", "x".repeat(500));
    fail(files);
    const error = await store.save("a", "in between").then(
      () => undefined,
      (reason) => reason,
    );
    healAll(files);
    if (error) {
      assert.is(error.code, step.startsWith("ENOSPC") ? "NO_SPACE" : "IO", step);
      assert.ok(error.hint, step);
      assert.is(error.outcome, undefined, `${step}: nothing of the save was written`);
      assert.is(await store.has("a:1"), false, step);
    } else assert.is(await store.load("a:1"), "in between", step);
    assert.is((await store.save("a", "next")).version, error ? 1 : 2, step);
    if (step.endsWith("sync of the name"))
      assert.is(segmentsOf(home).length, 4, "nothing goes into a segment whose name may be lost");
    await assertWhole(home, store);
    await store.close();
  }
});

test("the old segment is not ended while a sync of it is under way, which may yet fail", async () => {
  const { files, home, store } = await newSeam("buffered", { segmentBytesMax: 300 });
  const syncing = failHeld(files);
  await store.save("a", "x".repeat(500));
  const second = store.save("a", "behind it");
  await turn();
  assert.is(segmentsOf(home).length, 1);
  syncing.open();
  assert.is((await second).version, 1);
  const [first, next] = segmentsOf(home) as [string, string];
  assert.ok(readFileSync(first).includes("x".repeat(500)));
  assert.ok(readFileSync(next).includes("x".repeat(500)), "it was written again");
  await assertWhole(home, store);
});

test("a new home is on the disk before the first save is acknowledged", async () => {
  const files = new WatchedFiles();
  const home = `${newFolder()}/outer/inner/home`;
  const store = await openSeamStore(home, { files });
  await store.save("a", 1);
  const synced = files.calls.slice(0, files.calls.indexOf("append 0000000001.varve"));
  for (const folder of ["log", "home", "inner", "outer"])
    assert.ok(synced.includes(`syncFolder ${folder}`), `${folder} in ${synced}`);
});

test.run();
