import { readFileSync, rmSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cutFile, damageText, flipByte, segmentsOf } from "../helpers/damage.ts";
import { copyHome } from "../helpers/folders.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";
import { filledStore, isState, saveSome, stateOf, textOf, UnlinkedFiles } from "./backup-support.ts";

/** What a damaged store and a damaged backup do to each other. */
const test = suite("backup: damage");
test.after.each(closeAll);

test("`verify` reads the backup and tells its damage; what is damaged is put back by the next backup once it is away", async () => {
  const { store, to } = await filledStore(new UnlinkedFiles());
  assert.equal((await store.backup(to, { verify: true })).problems, []);
  damageText(segmentsOf(to)[1]!, textOf("a", 4).slice(0, 5));
  assert.equal((await store.backup(to)).problems, []);
  const { problems } = await store.backup(to, { verify: true });
  assert.equal(
    problems.map(({ kind, segment }) => [kind, segment]),
    [["record", 2]],
  );
  rmSync(segmentsOf(to)[1]!);
  assert.equal((await store.backup(to, { verify: true })).problems, []);
  await isState(to, await stateOf(store));
});

test("a damaged store takes nothing sound away from its backup, and is repaired from it", async () => {
  const damages: ((file: string) => void)[] = [
    (file) => rmSync(file),
    (file) => cutFile(file, 400),
    (file) => flipByte(file, 20),
    (file) => damageText(file, "xxxxx"),
  ];
  for (const damage of damages) {
    const { home, store, to } = await filledStore(new UnlinkedFiles());
    await store.backup(to);
    await saveSome(store, "b", 5);
    damage(segmentsOf(home)[1]!);
    await store.backup(to);
    const expected = await stateOf(await openTestStore(to, { readOnly: true }));
    await isState(to, expected);
    assert.ok((await store.repair({ from: to })).ok);
    assert.equal(await stateOf(store), expected);
    await store.backup(to);
    await isState(to, expected);
    await closeAll();
  }
});

test("a damaged store is repaired from a backup that grew in many parts, over a link too once that file is its own", async () => {
  const { home, store, to } = await filledStore();
  for (const name of ["b", "c", "d"]) {
    await store.backup(to, { copy: name === "c" });
    await saveSome(store, name, 4);
  }
  await store.backup(to, { copy: true });
  const expected = await stateOf(store);
  for (const file of segmentsOf(home)) damageText(file, "xxxxx");
  assert.ok((await store.repair({ from: to })).ok);
  assert.equal(await stateOf(store), expected);
});

test("a repair leaves what the backup shares with the store as it was", async () => {
  const { home, store, to } = await filledStore();
  await store.backup(to);
  const sound = copyHome(to);
  damageText(segmentsOf(home)[1]!, "xxxxx");
  const damaged = readFileSync(segmentsOf(to)[1]!);
  assert.ok((await store.repair({ from: sound })).ok);
  assert.equal(readFileSync(segmentsOf(to)[1]!), damaged, "the other name of the damaged file");
});

test.run();
