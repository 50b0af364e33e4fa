import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openClient } from "../../../adapters/mlflow/client.ts";
import { whereTag } from "../../../adapters/mlflow/filter.ts";
import { openMlflow } from "../../../adapters/mlflow/open.ts";
import type { MlflowClient } from "../../../adapters/mlflow/protocol.ts";
import type { BackendPlace, BackendValue, StorageBackend } from "../../../engine/main.ts";
import { VarveError } from "../../../engine/main.ts";
import { mlflowUrl } from "../../services/mlflow.ts";
import { hasService, portOf } from "../../services/services.ts";
import { BreakingBackend } from "./breaking.ts";
import { madeBy } from "./made.ts";
import type { Given } from "./values.ts";
import { bytesOf, fileValue, fresh, keepIn } from "./values.ts";

/** Saves and removals that end at each of their requests, and are repeated. */
const test = suite("interrupted work in MLflow");

let backend: StorageBackend;
let client: MlflowClient;
/** Indexes of the requests that change something, of calls that nothing interrupts: between them all is as it was. */
let keepWrites: number[];
let removeWrites: number[];

test.before(async () => {
  backend = await openMlflow({ trackingUri: mlflowUrl() });
  client = await openClient({ trackingUri: mlflowUrl() });
  const whole = await BreakingBackend.to(portOf("mlflow")!);
  const place = await keepIn(whole.backend, newValue(), given());
  const kept = whole.requests.splice(0);
  await whole.backend.remove(place);
  keepWrites = writesOf(kept);
  removeWrites = writesOf(whole.requests);
  await whole.close();
});
/** Files beside the model and its description are like these. */
function writesOf(requests: readonly string[]): number[] {
  const isWrite = (request: string) =>
    !/^GET|\/search/.test(request) && !/^PUT .*\.(yaml|txt|json)$/.test(request);
  return requests.flatMap((request, index) => (isWrite(request) ? [index] : []));
}

test.after(async () => {
  client.close();
  await backend.close();
});

const newValue = () => fileValue(Buffer.from(fresh("bytes of a model")));
const given = (): Given => ({
  storeId: fresh("s"),
  name: fresh("clf"),
  mlflow: { aliases: ["champion"], params: { C: 1 } },
});

/** Every version that anybody can find loads, whole. */
async function areWhole(storeId: string, value: BackendValue): Promise<number> {
  let versions = 0;
  for await (const { name, version } of client.registry.searchVersions({
    filter: whereTag("varve.store", storeId),
  })) {
    versions++;
    const place = await backend.resolve(`models:/${name}/${version}`);
    assert.is((await backend.list(place)).length, 5);
    const read = await bytesOf(backend, place, "model.onnx");
    assert.is(read.byteLength, value.size);
  }
  return versions;
}

async function interrupted(call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof VarveError)) throw error;
    assert.is(error.code, "UNAVAILABLE", error.message);
  }
}

test("a save that ends at any request leaves no half version, and is completed by the same call", async () => {
  assert.ok(keepWrites.length > 9, `${keepWrites.length} requests`);
  for (const at of keepWrites) {
    const value = newValue();
    const save = given();
    const broken = await BreakingBackend.to(portOf("mlflow")!, { at, kind: "gone behind" });
    await interrupted(() => keepIn(broken.backend, value, save));
    await broken.close();
    const where = `${at}: ${broken.requests[at]}`;
    assert.ok((await areWhole(save.storeId!, value)) <= 1, where);
    const place = await keepIn(backend, value, save);
    assert.equal(await madeBy(client, save.storeId!), { runs: 1, models: 1, versions: 1 }, where);
    assert.is(await areWhole(save.storeId!, value), 1, where);
    assert.is((await client.runs.get(place.runId as string))!.status, "FINISHED", where);
    assert.is((await client.registry.get(place.registeredName as string))!.aliases.champion, "1", where);
  }
});

test("an answer that is lost anywhere makes nothing twice", async () => {
  for (const at of keepWrites) {
    const value = newValue();
    const save = given();
    const broken = await BreakingBackend.to(portOf("mlflow")!, { at, kind: "lost answer" }, 2);
    await keepIn(broken.backend, value, save);
    await broken.close();
    const where = `${at}: ${broken.requests[at]}`;
    assert.equal(await madeBy(client, save.storeId!), { runs: 1, models: 1, versions: 1 }, where);
    assert.is(await areWhole(save.storeId!, value), 1, where);
  }
});

async function isRemoved(storeId: string, place: BackendPlace, where: string): Promise<void> {
  assert.equal(await madeBy(client, storeId), { runs: 1, models: 0, versions: 0 }, where);
  assert.equal(await client.artifacts(place.artifactUri as string).list(), [], where);
}

test("a removal that ends at any request leaves no half version, and is completed by the same call", async () => {
  assert.ok(removeWrites.length > 3, `${removeWrites.length} requests`);
  for (const kind of ["gone behind", "lost answer"] as const) {
    for (const at of removeWrites) {
      const value = newValue();
      const save = given();
      const place = await keepIn(backend, value, save);
      const broken = await BreakingBackend.to(
        portOf("mlflow")!,
        { at, kind },
        kind === "lost answer" ? 2 : 0,
      );
      await interrupted(() => broken.backend.remove(place));
      await broken.close();
      const where = `${kind} ${at}: ${broken.requests[at]}`;
      assert.ok((await areWhole(save.storeId!, value)) <= 1, where);
      if (kind !== "lost answer") await backend.remove(place);
      await isRemoved(save.storeId!, place, where);
    }
  }
});

test("what an interrupted save leaves is found when nobody repeats it, and can be removed", async () => {
  for (const at of keepWrites) {
    const save = given();
    const broken = await BreakingBackend.to(portOf("mlflow")!, { at, kind: "gone behind" });
    await interrupted(() => keepIn(broken.backend, newValue(), save));
    await broken.close();
    const where = `${at}: ${broken.requests[at]}`;
    const soon = Date.now() + 10_000;
    assert.equal(await backend.orphans(save.storeId!, [], Date.now() - 3_600_000), [], where);
    const found = await backend.orphans(save.storeId!, [], soon);
    const made = await madeBy(client, save.storeId!);
    assert.is(found.length > 0, made.runs > 0, where);
    for (const { place } of found) await backend.remove(place);
    const left = await madeBy(client, save.storeId!);
    assert.equal([left.models, left.versions], [0, 0], where);
    assert.equal(await backend.orphans(save.storeId!, [], soon), [], where);
  }
});

test("what is known is no orphan", async () => {
  const save = given();
  const value = newValue();
  const first = await keepIn(backend, value, save);
  const second = await keepIn(backend, value, { ...save, version: 2 });
  const soon = Date.now() + 10_000;
  assert.equal(await backend.orphans(save.storeId!, [first, second], soon), []);
  const found = await backend.orphans(save.storeId!, [second], soon);
  assert.equal(
    found.map(({ place }) => place.modelUri),
    [first.modelUri],
  );
  assert.ok(found[0]!.description.includes(save.name!));
  await backend.remove(found[0]!.place);
  assert.equal((await backend.list(second)).length, 1);
});

if (hasService("mlflow", "interrupted work in MLflow")) test.run();
