import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { Random } from "../helpers/random.ts";
import { killPlainProcesses } from "./plain-programs.ts";
import { runPowerCuts } from "./power-cut.ts";
import { diskOf, observe } from "./power-cut-check.ts";
import { forgetOpeners, killedCopy } from "./power-cut-kill.ts";
import { LARGE_ONE_IN } from "./power-cut-one.ts";
import { crashStates } from "./power-cut-states.ts";
import { openOver } from "./power-cut-store.ts";
import type { CallKind } from "./simulated-calls.ts";
import { SimulatedDisk } from "./simulated-disk.ts";
import { SimulatedFile } from "./simulated-file.ts";

const test = suite("power cuts");
test.after.each(killPlainProcesses);
test.after.each(removeFolders);

/** How many states, at least. */
const STATES = Number(process.env.VARVE_POWER_CUT_STATES ?? 1_500);

test("whatever a power cut leaves of random work is a state that all that was promised allows", async () => {
  const { seed } = new Random("power cuts");
  // Whose first workload has large values.
  const first = seed - (seed % LARGE_ONE_IN);
  const { counts, violations } = await runPowerCuts({ seed: first, states: STATES });
  assert.equal(violations, []);
  assert.ok(counts["workloads with large values"]! > 0 && counts["workloads with directories"]! > 0);
  assert.ok(counts.states! + counts["states of a recovery"]! >= STATES);
});

// Cases that were found

/** Whatever a power cut leaves now is what the open store holds. */
async function holdsAll(disk: SimulatedDisk, store: ArtifactStore): Promise<void> {
  const held = await observe(store);
  for (const crash of crashStates(disk, new Random("", 1), 10)) {
    const again = await openOver(diskOf(newFolder(), crash));
    assert.is(await observe(again), held, crash.how);
    await again.close();
  }
}

/** The next call of this kind fails. */
function failOnce(disk: SimulatedDisk, kind: CallKind, half = false): void {
  disk.hooks.fault = (call) => {
    if (call.kind !== kind) return undefined;
    disk.hooks.fault = undefined;
    return { code: "EIO", half };
  };
}

test("the folders of a new home are on the disk before anything in it is acknowledged", async () => {
  const disk = new SimulatedDisk(join(newFolder(), "not", "there", "yet"));
  const store = await openOver(disk);
  await store.save("a", 0);
  await holdsAll(disk, store);
  await store.close();
});

for (const [kind, half] of [
  ["syncFolder", false],
  ["publish", false],
  ["publish", true],
  ["sync", false],
  ["create", false],
] as const) {
  const what = half ? `half of ${kind}` : kind;
  test(`a segment whose making failed at ${what} is not relied on before its name is on the disk`, async () => {
    const disk = emptyDisk();
    const options = { segmentBytesMax: 200 };
    let store = await openOver(disk, options);
    await store.save("a", 0);
    failOnce(disk, kind, half);
    await store.save("a", 1).catch(() => {});
    try {
      await store.save("a", 2);
    } catch {
      // After a failed sync the store may want to be opened again.
      await store.close().catch(() => {});
      store = await openOver(disk, options);
      await store.save("a", 2);
    }
    await holdsAll(disk, store);
    await store.close();
  });
}

test("what a killed process left is on the disk before the next one relies on it", async () => {
  const disk = emptyDisk();
  const options = { segmentBytesMax: 300 };
  const killed: { copy: SimulatedDisk; acknowledged: number; when: string }[] = [];
  let acknowledged = 0;
  const store = await openOver(disk, options);
  disk.hooks.moment = ({ kind }, phase) =>
    killed.push({ copy: killedCopy(disk, newFolder()), acknowledged, when: `${phase} ${kind}` });
  for (; acknowledged < 4; acknowledged++) await store.save("a", acknowledged);
  disk.hooks = {};
  await store.close();
  for (const { copy, acknowledged, when } of killed) {
    await forgetOpeners(copy);
    const next = await openOver(copy, options);
    const { version } = (await next.find("a")) ?? { version: -1 };
    assert.ok(version + 1 >= acknowledged, `${when}: ${version}`);
    // What stands behind the known end is adopted by the next write; till then a power cut may leave it or not.
    const saved = await next.save("a", "next");
    assert.ok(saved.version > version, when);
    await holdsAll(copy, next);
    await next.close();
  }
  assert.ok(killed.length > 20);
});

test("a copied home is put on the disk before anything in it is relied on", async () => {
  const original = emptyDisk();
  const first = await openOver(original, { segmentBytesMax: 200 });
  for (let i = 0; i < 3; i++) await first.save("a", i);
  await first.close();
  // As after `cp -r`: nothing of it is on the disk yet.
  const copy = new SimulatedDisk(newFolder());
  copy.makeFolder(copy.log);
  for (const [name, bytes] of original.contents()) {
    const file = copy.open(join(copy.log, name), "create");
    file.append([bytes]);
    file.close();
  }
  const store = await openOver(copy);
  await store.save("a", 3);
  await holdsAll(copy, store);
  await store.close();
});

test("a process that has a home open twice, once read-only, does not wait for itself", async () => {
  const program = new Program("../crash/power-cut-twice-program.ts", [newFolder()]);
  const hung = setTimeout(() => program.process.kill("SIGKILL"), 30_000);
  try {
    assert.equal(await program.next(), { saved: 41 }, "it hangs");
    await program.end();
  } finally {
    clearTimeout(hung);
    await killPrograms();
  }
});

// The simulated disk itself: a check that finds nothing is worth nothing

function fileOf(disk: SimulatedDisk, name: string): SimulatedFile {
  const file = disk.names.get(join(disk.log, name))?.at(-1);
  assert.ok(file instanceof SimulatedFile);
  return file as SimulatedFile;
}

function emptyDisk(): SimulatedDisk {
  const disk = new SimulatedDisk(newFolder());
  disk.placeLogFolder();
  return disk;
}

const contentsOf = (disk: SimulatedDisk, name: string) =>
  crashStates(disk, new Random("", 3), 200).map(({ files }) => files?.get(name)?.toString("latin1"));

test("a name is lost until its folder is synced, though the data of the file was", () => {
  const disk = emptyDisk();
  const file = disk.open(join(disk.log, "f"), "create");
  file.append([Buffer.from("abc")]);
  file.sync();
  assert.equal(new Set(contentsOf(disk, "f")), new Set([undefined, "abc"]));
  disk.syncFolder(disk.log);
  assert.equal(contentsOf(disk, "f"), ["abc"]);
});

test("of what was not synced anything may be there: all, nothing, the later without the earlier, zeros, torn sectors", () => {
  const disk = emptyDisk();
  disk.place("f", Buffer.from("ok"));
  const file = disk.open(join(disk.log, "f"), "append");
  file.append([Buffer.from("A".repeat(600)), Buffer.from("B".repeat(600))]);
  const found = new Set(contentsOf(disk, "f"));
  const [a, b, zeros] = ["A".repeat(600), "B".repeat(600), "\0".repeat(600)] as const;
  for (const [what, text] of Object.entries({
    nothing: "ok",
    all: `ok${a}${b}`,
    zeros: `ok${zeros}${zeros}`,
    "the later one": `ok${zeros}${b}`,
    "the earlier one": `ok${a}`,
    "half of the last": `ok${a}${"B".repeat(300)}${"\0".repeat(300)}`,
  }))
    assert.ok(found.has(text), what);
  const sector = `ok${"A".repeat(510)}\0`;
  assert.ok(
    [...found].some((text) => text!.startsWith(sector)),
    "one sector of the first",
  );
  assert.ok(
    [...found].every((text) => text!.startsWith("ok")),
    "what was synced is always there",
  );
  file.sync();
  assert.equal(contentsOf(disk, "f"), [`ok${a}${b}`]);
});

test("a sync that failed leaves its bytes in doubt for ever; what comes behind them can be synced", () => {
  const disk = emptyDisk();
  disk.place("f", Buffer.from("ok"));
  const file = disk.open(join(disk.log, "f"), "append");
  file.append([Buffer.from("doubtful")]);
  failOnce(disk, "sync");
  assert.throws(() => file.sync(), /EIO/);
  file.append([Buffer.from("later")]);
  file.sync();
  const found = new Set(contentsOf(disk, "f"));
  assert.ok(found.has("okdoubtfullater"));
  assert.ok(found.has(`ok${"\0".repeat(8)}later`));
  assert.is(fileOf(disk, "f").durableSize, 15);
});

test("a sync by who opened the file behind a failed one succeeds, and says that it proves nothing", () => {
  const disk = emptyDisk();
  disk.place("f", Buffer.from("ok"));
  const path = join(disk.log, "f");
  const [file, before] = [disk.open(path, "append"), disk.open(path, "read")];
  file.append([Buffer.from("doubtful")]);
  let deceived = 0;
  disk.hooks.deceived = () => deceived++;
  failOnce(disk, "sync");
  assert.throws(() => file.sync(), /EIO/);
  assert.throws(() => before.sync(), /EIO/, "it was open when the other one failed");
  // It was told, and should know.
  before.sync();
  assert.is(deceived, 0);
  disk.open(path, "read").sync();
  assert.is(deceived, 1);
});

test.run();
