import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore, StoreStats } from "../../engine/api.ts";
import { decodeSegmentHeader } from "../../engine/log/format.ts";
import type { OpenOptions } from "../../engine/open.ts";
import { cutFile, damageText, segmentsOf, sizeOf } from "../helpers/damage.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { gate, systemError, WatchedFiles } from "../helpers/files.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";

const test = suite("after a failed sync");
test.after.each(closeAll);
test.after.each(killPrograms);

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 20));
const isSegment = (path: string) => path.endsWith(".varve");

/** What `unsteady-saver.ts` prints of each call. */
interface Told {
  value: string;
  name: string;
  version?: number;
  outcome: "done" | "unknown" | "none";
  code?: string;
}

interface Seam {
  files: WatchedFiles;
  home: string;
  store: ArtifactStore;
  warnings: string[];
}

async function newSeam(
  durability: "durable" | "buffered" = "durable",
  options: Partial<OpenOptions> = {},
): Promise<Seam> {
  const files = new WatchedFiles();
  const home = newFolder();
  const warnings: string[] = [];
  const log = (message: string) => void warnings.push(message);
  const logger = { debug: log, info: log, warn: log, error: log };
  const store = await openSeamStore(home, { files, logger, ...options }, durability);
  return { files, home, store, warnings };
}

/** The next sync of a segment fails, and what is done before it is said. */
function failOnce(files: WatchedFiles, before: (path: string) => void = () => {}): void {
  files.onSync = (path) => {
    if (!isSegment(path)) return;
    files.onSync = undefined;
    before(path);
    throw systemError("EIO", "fdatasync");
  };
}

function failAll(files: WatchedFiles, code = "EIO"): void {
  files.onSync = () => {
    throw systemError(code, "fdatasync");
  };
}

const withoutSizes = (stats: StoreStats) => ({ ...stats, logBytes: 0, indexBytes: 0 });

/** Nothing behind a cut is needed any more: a disk may have lost it. */
function dropWhatIsCut(home: string): void {
  const segments = segmentsOf(home);
  for (const [i, next] of segments.entries()) {
    const { previousNumber, previousEnd } = decodeSegmentHeader(readFileSync(next), next);
    if (previousNumber > 0 && sizeOf(segments[i - 1]!) > previousEnd) cutFile(segments[i - 1]!, previousEnd);
  }
}

/** The index is what the log makes, here and in a copy that has nothing of the shared state. */
async function assertWhole(home: string, store: ArtifactStore): Promise<void> {
  dropWhatIsCut(home);
  for await (const { ref } of store.list({ allVersions: true })) await store.load(ref);
  const report = await store.verify({ full: true });
  assert.equal(report.problems, []);
  const before = await store.stats();
  const copy = await openTestStore(copyHome(home));
  assert.equal(withoutSizes(await copy.stats()), withoutSizes(before));
  assert.equal((await copy.verify({ full: true })).problems, []);
  await copy.close();
  await store.rebuildIndex();
  assert.equal(withoutSizes(await store.stats()), withoutSizes(before));
}

test("what waited is written again to a new segment, and acknowledged", async () => {
  const { files, home, store } = await newSeam();
  await store.save("safe", 1);
  failOnce(files);
  files.calls.length = 0;
  const saves = await Promise.all([store.save("a", 1), store.save("b", 2), store.save("a", 3)]);
  assert.equal(
    saves.map(({ ref }) => ref),
    ["a:0", "b:0", "a:1"],
  );
  assert.equal(files.calls, [
    "append 0000000001.varve",
    "append new.tmp",
    "sync new.tmp",
    "publish 0000000002.varve",
    "syncFolder log",
  ]);
  assert.is(await store.load("a"), 3);
  assert.is((await store.save("safe", 2)).version, 1);
  assert.is(files.calls.at(-1), "sync 0000000002.varve");
  await assertWhole(home, store);
});

test("rows, places and counts of references come out the same, whatever the batches did", async () => {
  const { files, home, store } = await newSeam("durable", { segmentBytesMax: 4_000 });
  const shared = Buffer.alloc(700, 1);
  const large = Buffer.alloc(100_000, 2);
  for (let i = 0; i < 5; i++) await store.save("kept", { i, shared });
  await store.save("shared", shared);
  await store.delete("kept:1");
  await store.setAlias("kept", "x", 0);
  failOnce(files);
  await Promise.all([
    store.save("kept", shared),
    store.save("other", shared),
    store.save("other", large),
    store.delete("shared:0"),
    store.undelete("kept:1"),
    store.save("made", 1, { inputs: ["kept:2"], tags: { stage: "dev" } }),
    store.annotate("kept:3", { tags: { twice: "a" } }),
    store.annotate("kept:3", { tags: { twice: "b" } }),
    store.setAlias("kept", "x", 2),
    store.setAlias("kept", "y", 2),
    store.deleteAlias("kept", "x"),
    store.delete("other:0"),
    store.batch((batch) => {
      batch.save("batched", large);
      batch.save("batched", shared);
    }),
    store
      .batch((batch) => {
        batch.save("undone", Buffer.alloc(600, 3));
        batch.delete("none:0");
      })
      .catch(() => {}),
  ]);
  assert.ok(large.equals(await store.load<Uint8Array>("other")));
  assert.ok(shared.equals(await store.load<Uint8Array>("batched")));
  await assertWhole(home, store);
});

test("another process finds the new places, and goes on behind them", async () => {
  const { files, home, store } = await newSeam();
  const other = new Program("../engine/seam-saver.ts", [home, "durable"]);
  await other.expect();
  await store.save("a", "x".repeat(2_000));
  other.tell("load a:0");
  assert.is((await other.expect()).value, "x".repeat(2_000));
  failOnce(files);
  await store.save("a", "y".repeat(2_000));
  other.tell("load a");
  assert.is((await other.expect()).value, "y".repeat(2_000));
  other.tell("save a z");
  assert.is((await other.expect()).version, 2);
  assert.is(await store.load("a"), "z");
  other.tell("close");
  await other.ended();
  await assertWhole(home, store);
});

test("while the disk fails waiting calls are rejected with an open outcome, later ones write nothing, and reading works", async () => {
  const { files, home, store } = await newSeam();
  await store.save("a", "safe");
  failAll(files);
  for (const result of await Promise.allSettled([store.save("a", 1), store.delete("a:0")])) {
    const { reason } = result as PromiseRejectedResult;
    assert.equal([reason.code, reason.outcome], ["IO", "unknown"]);
    assert.ok(reason.hint);
  }
  files.onSync = undefined;
  const { appends } = files.counts;
  assert.is((await failureWithHint(store.save("b", 1), "IO")).outcome, undefined, "nothing of it is written");
  assert.is(files.counts.appends, appends);
  await failure(store.load("a:1"), "IO");
  await store.close();
  const again = await openTestStore(home);
  assert.is(await again.load("a:1"), 1, "written again when all had closed");
  assert.equal((await again.save("a", 2, { ifVersion: 1 })).version, 2);
  await assertWhole(home, again);
});

test("at the next opening the disk may still fail: the store opens, is read, and writes once the disk does", async () => {
  const { files, home, store } = await newSeam();
  await store.save("a", "safe");
  failAll(files);
  await failure(store.save("a", 1), "IO");
  await store.close();
  const again = await openSeamStore(home, { files });
  assert.is(await again.load("a:0"), "safe");
  await failureWithHint(again.save("a", 2), "IO");
  await again.close();
  files.onSync = undefined;
  const last = await openSeamStore(home, { files });
  assert.is(await last.load("a:1"), 1);
  assert.is((await last.save("a", 2)).version, 2);
  await assertWhole(home, last);
});

test("a procedure that finds no room is NO_SPACE, and is done by the next save when there is some", async () => {
  const { files, home, store } = await newSeam();
  await store.save("a", 0);
  failOnce(files, () => {
    files.onAppend = () => {
      throw systemError("ENOSPC", "write");
    };
  });
  assert.is((await failureWithHint(store.save("a", 1), "NO_SPACE")).outcome, "unknown");
  assert.is((await failureWithHint(store.save("a", 2), "NO_SPACE")).outcome, undefined);
  files.onAppend = undefined;
  assert.is((await store.save("a", 2)).version, 2, "a:1 was written again before");
  assert.is(await store.load("a:1"), 1);
  await assertWhole(home, store);
});

test("each step of the procedure may fail: the one at the next opening leaves nothing out", async () => {
  type Break = (files: WatchedFiles) => void;
  const eio = (doing: string) => systemError("EIO", doing);
  const steps: Record<string, Break> = {
    create: (files) => {
      files.onOpen = (_, mode) => {
        if (mode === "create") throw eio("open");
      };
    },
    "half a write": (files) => {
      files.onAppend = (pieces, write) => {
        const bytes = Buffer.concat(pieces);
        write([bytes.subarray(0, bytes.length / 2)]);
        throw eio("write");
      };
    },
    sync: (files) => failAll(files),
    "before the name": (files) => {
      files.onPublish = () => {
        throw eio("link");
      };
    },
    "sync of the name": (files) => {
      files.onSyncFolder = () => {
        throw eio("fsync");
      };
    },
  };
  for (const [step, fail] of Object.entries(steps)) {
    const { files, home, store } = await newSeam();
    await store.save("a", 0);
    failOnce(files, () => fail(files));
    assert.is((await failureWithHint(store.save("a", 1), "IO")).outcome, "unknown", step);
    files.onOpen = files.onAppend = files.onSync = files.onPublish = files.onSyncFolder = undefined;
    await failure(store.save("a", 2), "IO");
    await store.close();
    const again = await openTestStore(home);
    assert.is(await again.load("a:1"), 1, step);
    assert.is((await again.save("a", 2)).version, 2, step);
    await assertWhole(home, again);
  }
});

test("a batch that can't be read back ends the log: it is rejected and reported, and its version given again", async () => {
  const { files, home, store, warnings } = await newSeam();
  await store.save("a", "safe");
  const syncing = gate();
  files.onSync = async () => syncing.opened;
  const first = store.save("a", "whole");
  await turn();
  failOnce(files, (path) => damageText(path, "damaged-here"));
  const second = first.then(() => store.save("a", "damaged-here"));
  syncing.open();
  assert.is((await first).version, 1);
  assert.is((await failureWithHint(second, "IO")).outcome, "unknown");
  assert.ok(
    warnings.some((text) => text.includes("operations 3 to 3")),
    warnings.join("\n"),
  );
  assert.is(await store.load("a"), "whole");
  assert.is((await store.save("a", "next")).version, 2);
  assert.is(await store.load("a:2"), "next");
  await assertWhole(home, store);
});

test("of a group only what stands behind the damage is rejected", async () => {
  const { files, home, store } = await newSeam("buffered");
  await store.save("a", "safe");
  await turn();
  const syncing = gate();
  files.onSync = () => syncing.opened.then(() => Promise.reject(systemError("EIO", "fdatasync")));
  await store.save("a", "whole");
  await store.save("a", "damaged-here");
  await turn();
  damageText(segmentsOf(home)[0]!, "damaged-here");
  files.onSync = undefined;
  syncing.open();
  await failureWithHint(store.close(), "IO");
  const again = await openTestStore(home);
  assert.is(await again.load("a"), "whole");
  await assertWhole(home, again);
});

test("who synced the old segment meanwhile, seemingly well, acknowledges what was written again", async () => {
  const { files, home, store } = await newSeam();
  const other = new Program("../engine/seam-saver.ts", [home, "durable"]);
  await other.expect();
  other.tell("save o 0");
  await other.expect();
  other.tell("hold");
  await other.expect();
  other.tell("save o 1");
  assert.is((await other.expect()).held, true);
  failOnce(files);
  assert.is((await store.save("a", 1)).version, 0);
  assert.is(segmentsOf(home).length, 2);
  other.tell("release");
  assert.is((await other.expect()).version, 1);
  other.tell("close");
  await other.ended();
  assert.is(await store.load("o"), "1");
  await assertWhole(home, store);
});

test("who synced the old segment meanwhile does not acknowledge what was lost, though its number was given again", async () => {
  const { files, home, store } = await newSeam();
  await store.save("a", "safe");
  const other = new Program("../engine/seam-saver.ts", [home, "durable"]);
  await other.expect();
  other.tell("save o first");
  await other.expect();
  other.tell("hold");
  await other.expect();
  other.tell("save o damaged-here");
  assert.is((await other.expect()).held, true);
  failOnce(files, (path) => damageText(path, "damaged-here"));
  assert.is((await failure(store.save("a", "behind it"), "IO")).outcome, "unknown");
  for (let i = 1; i < 4; i++) assert.is((await store.save("a", i)).version, i);
  other.tell("release");
  assert.equal(await other.expect(), { code: "IO", outcome: "unknown" });
  other.tell("load o");
  assert.is((await other.expect()).value, "first");
  other.tell("save o again");
  assert.is((await other.expect()).version, 1);
  other.tell("close");
  await other.ended();
  await assertWhole(home, store);
});

test("who synced the old segment while the mark is set does not trust that, and writes all of it again", async () => {
  const { files, home, store } = await newSeam();
  const other = new Program("../engine/seam-saver.ts", [home, "durable"]);
  await other.expect();
  other.tell("hold");
  await other.expect();
  other.tell("save o 0");
  assert.is((await other.expect()).held, true);
  failAll(files);
  assert.is((await failure(store.save("a", 1), "IO")).outcome, "unknown");
  assert.is(segmentsOf(home).length, 1);
  other.tell("release");
  assert.is((await other.expect()).version, 0);
  assert.is(segmentsOf(home).length, 2);
  other.tell("load a");
  assert.is((await other.expect()).value, 1);
  await failure(store.save("a", 2), "IO");
  assert.is(await store.load("a"), 1, "it is on the disk now");
  other.tell("close");
  await other.ended();
  await store.close();
  files.onSync = undefined;
  await assertWhole(home, await openTestStore(home));
});

test("when another process has ended the segment by a sync that did not fail, the outcome is open, and all go on", async () => {
  const { home, store } = await newSeam("durable", { segmentBytesMax: 300 });
  await store.save("a", 0);
  const other = new Program("../engine/seam-saver.ts", [home, "durable"]);
  await other.expect();
  other.tell("hold");
  await other.expect();
  other.tell(`save o ${"x".repeat(300)}`);
  assert.is((await other.expect()).held, true);
  await store.save("a", 1);
  assert.is(segmentsOf(home).length, 2);
  other.tell("fail");
  await other.expect();
  other.tell("release");
  assert.equal(await other.expect(), { code: "IO", outcome: "unknown" });
  other.tell("save o next");
  assert.is((await other.expect()).version, 1);
  other.tell("close");
  await other.ended();
  await assertWhole(home, store);
});

for (const call of ["publish", "syncFolder"]) {
  test(`a process that dies in the procedure, at ${call}, leaves it to the next that writes`, async () => {
    const { home, store } = await newSeam();
    await store.save("a", 0);
    const other = new Program("../engine/seam-saver.ts", [home, "buffered"]);
    await other.expect();
    other.tell("hold");
    await other.expect();
    other.tell("save o kept");
    await other.expect();
    await other.expect();
    other.tell("save o kept-too");
    await other.expect();
    other.tell(`die ${call}`);
    await other.expect();
    other.tell("fail");
    await other.expect();
    other.tell("release");
    await other.ended();
    assert.is(other.process.signalCode, "SIGKILL");
    assert.is(await store.load("o:0"), "kept");
    assert.is(await store.load("o:1"), "kept-too", "a reader does it too");
    assert.is((await store.save("a", 1)).version, 1);
    await assertWhole(home, store);
  });
}

test("a segment whose maker died before its name was on the disk is named durably before it is used", async () => {
  const { files, home, store } = await newSeam();
  await store.save("a", 0);
  const other = new Program("../engine/seam-saver.ts", [home, "durable", "200"]);
  await other.expect();
  other.tell("die syncFolder");
  await other.expect();
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
  const once = (code: string, doing: string) => systemError(code, doing);
  const codes = process.env.VARVE_UNSTEADY_MILLISECONDS
    ? ["EIO", "ENOSPC", "EMFILE", "EACCES"]
    : ["EIO", "ENOSPC"];
  const steps: [string, Break][] = codes.flatMap((code): [string, Break][] => [
    [
      `${code} create`,
      (files) => {
        files.onOpen = (_, mode) => {
          if (mode === "create") throw once(code, "open");
        };
      },
    ],
    [
      `${code} write`,
      (files) => {
        files.onAppend = (pieces, write) => {
          write([Buffer.concat(pieces).subarray(0, 60)]);
          throw once(code, "write");
        };
      },
    ],
    [
      `${code} sync`,
      (files) => {
        files.onSync = (path) => {
          if (!isSegment(path)) throw once(code, "fdatasync");
        };
      },
    ],
    [
      `${code} before the name`,
      (files) => {
        files.onPublish = () => {
          throw once(code, "link");
        };
      },
    ],
    [
      `${code} behind the name`,
      (files) => {
        files.onPublish = (_, publish) => {
          publish();
          throw once(code, "unlink");
        };
      },
    ],
    [
      `${code} sync of the name`,
      (files) => {
        files.onSyncFolder = () => {
          files.onSyncFolder = undefined;
          throw once(code, "fsync");
        };
      },
    ],
    [
      `${code} opening it`,
      (files) => {
        files.onOpen = (path, mode) => {
          if (mode === "append" && path.endsWith("0000000002.varve")) throw once(code, "open");
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
    files.onOpen = files.onAppend = files.onSync = files.onPublish = files.onSyncFolder = undefined;
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
  const syncing = gate();
  files.onSync = (path) => {
    if (!isSegment(path)) return;
    files.onSync = undefined;
    return syncing.opened.then(() => Promise.reject(systemError("EIO", "fdatasync")));
  };
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

test("a buffered save that is not on the disk when the store is closed is told there, once", async () => {
  const { files, store } = await newSeam("buffered");
  failAll(files);
  assert.is((await store.save("a", 1)).version, 0);
  await turn();
  assert.is((await failureWithHint(store.save("a", 2), "IO")).outcome, undefined);
  assert.is((await failureWithHint(store.close(), "IO")).outcome, "unknown");
});

test("readers of an operation in doubt wait until it is written again", async () => {
  const { files, store } = await newSeam("buffered");
  const syncing = gate();
  files.onSync = (path) => {
    if (!isSegment(path)) return;
    files.onSync = undefined;
    return syncing.opened.then(() => Promise.reject(systemError("EIO", "fdatasync")));
  };
  await store.save("a", "in doubt");
  await turn();
  let given: unknown;
  const reading = store.load("a").then((value) => {
    given = value;
  });
  await turn();
  assert.is(given, undefined);
  files.calls.length = 0;
  syncing.open();
  await reading;
  assert.is(given, "in doubt");
  assert.ok(files.calls.includes("sync new.tmp"));
});

test("repeating with ifVersion after an open outcome writes once, whichever it was", async () => {
  for (const kept of [true, false]) {
    const { files, home, store } = await newSeam();
    await store.save("a", 0);
    failOnce(files, (path) => {
      if (!kept) damageText(path, "the-value");
      failAll(files);
    });
    const error = await failure(store.save("a", "the-value", { ifVersion: 0 }), "IO");
    assert.is(error.outcome, "unknown");
    files.onSync = undefined;
    await store.close();
    const again = await openTestStore(home);
    const repeated = again.save("a", "the-value", { ifVersion: 0 });
    if (kept) await failure(repeated, "CONFLICT");
    else assert.is((await repeated).version, 1);
    assert.is((await again.stats()).versions, 2);
    assert.is(await again.load("a"), "the-value");
    await assertWhole(home, again);
  }
});

test("several processes on a disk whose syncs fail now and then: what each call was told is true", async () => {
  const milliseconds = Number(process.env.VARVE_UNSTEADY_MILLISECONDS ?? 1_500);
  const random = new Random("several processes on an unsteady disk");
  const home = newFolder();
  const programs = ["durable", "durable", "buffered"].map((durability, i) => {
    const args = [home, `p${i}`, String(milliseconds), String(random.below(2 ** 31)), durability];
    return new Program("../engine/unsteady-saver.ts", args);
  });
  for (const program of programs) await program.expect();
  for (const program of programs) program.tell("go");
  const told: Told[] = (await Promise.all(programs.map((program) => program.expect()))).flat();
  for (const program of programs) await program.end();
  const store = await openTestStore(home);
  const found = new Map<string, string>();
  for (const name of ["n0", "n1", "n2", "n3", "n4"]) {
    for (let version = 0; await store.has(`${name}:${version}`); version++)
      found.set(`${name}:${version}`, await store.load<string>(`${name}:${version}`));
  }
  const values = new Map([...found].map(([ref, value]) => [value, ref]));
  assert.is(values.size, found.size, "no value is there twice");
  for (const { value, name, version, outcome, code } of told) {
    if (outcome === "done") assert.is(found.get(`${name}:${version}`), value);
    if (outcome === "none") assert.is(values.get(value), undefined, `${code}: told that nothing was written`);
  }
  const count = (wanted: string) => told.filter(({ outcome }) => outcome === wanted).length;
  assert.ok(count("done") > 20, `${count("done")} acknowledged`);
  if (process.env.VARVE_UNSTEADY_MILLISECONDS)
    console.log(
      ["done", "unknown", "none"].map((wanted) => `${count(wanted)} ${wanted}`).join(", "),
      segmentsOf(home).length,
    );
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
