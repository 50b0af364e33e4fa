import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { whereTag } from "../../../adapters/mlflow/filter.ts";
import type { MlflowClient, Run } from "../../../adapters/mlflow/protocol.ts";
import type { VarveError } from "../../../engine/main.ts";
import { failureWithHint } from "../../helpers/errors.ts";
import "../../helpers/whole-suites.ts";
import type { Fate, Relay } from "../../services/relay.ts";
import { hasService } from "../../services/services.ts";
import {
  all,
  bytesOf,
  endAll,
  never,
  newExperiment,
  newName,
  newRelay,
  nothing,
  openTest,
  piecesOf,
} from "./support.ts";

const NAME = "mlflow: a network that fails";
const test = suite(NAME);
test.after.each(endAll);

interface Parts {
  relay: Relay;
  /** Behind the relay. */
  client: MlflowClient;
  /** Not behind it. */
  direct: MlflowClient;
}

async function behindRelay(environment: Record<string, string> = {}): Promise<Parts> {
  const relay = await newRelay();
  const client = await openTest(`http://127.0.0.1:${relay.port}`, environment);
  return { relay, client, direct: await openTest() };
}

/** What becomes of the first requests that this is in. */
function fateOf(relay: Relay, text: RegExp, ...fates: Fate[]): { times: number } {
  const told = { times: 0 };
  relay.fate = (sent) => {
    if (!text.test(sent)) return "pass";
    const fate = fates[told.times] ?? "pass";
    told.times++;
    return fate;
  };
  return told;
}

if (hasService("mlflow", NAME)) {
  test("what reads is asked again", async () => {
    const { relay, client } = await behindRelay();
    const told = fateOf(relay, /get\?experiment_id=0/, "cut", "lose reply", "cut");
    assert.is((await client.experiments.get("0"))?.name, "Default");
    assert.is(told.times, 4);
  });

  test("a create whose answer was lost is looked for, and not made twice", async () => {
    const { relay, client, direct } = await behindRelay();
    const { id: experimentId } = await newExperiment(direct);
    const query = { experimentIds: [experimentId], filter: whereTag("varve.attempt", "a") };
    const find = async (): Promise<Run | undefined> => (await all(client.runs.search(query)))[0];
    const told = fateOf(relay, /runs\/create/, "lose reply");
    const run = await client.runs.create({ experimentId, tags: { "varve.attempt": "a" } }, find);
    assert.is(told.times, 1);
    assert.equal(
      (await all(direct.runs.search(query))).map(({ id }) => id),
      [run.id],
    );
  });

  test("a create that was lost on its way is looked for, and made once", async () => {
    const { relay, client, direct } = await behindRelay();
    const { id: experimentId } = await newExperiment(direct);
    const query = { experimentIds: [experimentId] };
    let looked = 0;
    const find = async (): Promise<Run | undefined> => {
      looked++;
      return (await all(client.runs.search(query)))[0];
    };
    const told = fateOf(relay, /runs\/create/, "cut", "cut");
    const run = await client.runs.create({ experimentId }, find);
    assert.equal([told.times, looked], [3, 2]);
    assert.equal(
      (await all(direct.runs.search(query))).map(({ id }) => id),
      [run.id],
    );
  });

  test("a create that was answered looks for nothing", async () => {
    const { client } = await behindRelay();
    const { id: experimentId } = await newExperiment(client);
    await client.runs.create({ experimentId }, never);
  });

  test("the answers to a whole registration are lost, and each thing is there once", async () => {
    const { relay, client, direct } = await behindRelay();
    const [experiment, name] = [newName(), newName()];
    const lost = new Set<string>();
    let sent = 0;
    relay.fate = (text) => {
      const [, path] = /^POST (\S+(?:create|alias)) /.exec(text) ?? [];
      if (!path) return "pass";
      sent++;
      if (lost.has(path)) return "pass";
      lost.add(path);
      return "lose reply";
    };
    const { id: experimentId } = await client.experiments.ensure(experiment);
    await client.registry.ensure(name);
    const run = await client.runs.create({ experimentId }, async () => {
      return (await all(client.runs.search({ experimentIds: [experimentId] })))[0];
    });
    const version = await client.registry.createVersion(
      { name, source: run.artifactUri, runId: run.id },
      async () => client.registry.latestVersion(name),
    );
    await client.registry.setAlias(name, "best", version.version);
    // What has a name of its own is sent again, and what would be made twice is not.
    assert.equal([lost.size, sent], [5, 8]);
    assert.is((await direct.registry.latestVersion(name))?.version, "1");
    assert.is((await direct.registry.findAlias(name, "best"))?.version, "1");
  });

  test("the answer about what a run has made is lost, and it is told once", async () => {
    const { relay, client, direct } = await behindRelay();
    const { id: experimentId } = await newExperiment(direct);
    const run = await direct.runs.create({ experimentId }, nothing);
    const made = [1, 2].map(() => direct.models.create({ experimentId, name: "m", runId: run.id }, nothing));
    const [first, second] = (await Promise.all(made)).map(({ id }) => id) as [string, string];
    const told = fateOf(relay, /runs\/outputs/, "lose reply");
    await client.runs.logOutputs(run.id, [first]);
    assert.is(told.times, 2);
    await client.runs.logOutputs(run.id, [first, second]);
    await client.runs.logOutputs(run.id, [second, first]);
    const found = await fetch(`${direct.trackingUri}/api/2.0/mlflow/runs/get?run_id=${run.id}`);
    const { outputs } = ((await found.json()) as { run: { outputs: { model_outputs: unknown[] } } }).run;
    assert.is(outputs.model_outputs.length, 2);
    const nobody = `m-${"0".repeat(32)}`;
    await failureWithHint(client.runs.logOutputs("0".repeat(32), [nobody]), "NOT_FOUND");
  });

  test("all that changes a run or a model may be lost on its way back", async () => {
    const { relay, client, direct } = await behindRelay();
    const { id: experimentId } = await newExperiment(direct);
    const run = await direct.runs.create({ experimentId }, nothing);
    const model = await direct.models.create({ experimentId, name: "m", runId: run.id }, nothing);
    let lost = 0;
    let isLost = false;
    relay.fate = (text) => {
      if (!/^(POST|PATCH|DELETE) /.test(text)) return "pass";
      isLost = !isLost;
      lost += Number(isLost);
      return isLost ? "lose reply" : "pass";
    };
    await client.runs.logParams(run.id, { a: "1" });
    await client.runs.setTags(run.id, { b: "2" });
    await client.runs.setStatus(run.id, "FINISHED");
    await client.models.setTags(model.id, { c: "3" });
    await client.models.setStatus(model.id, "READY");
    assert.is((await direct.models.get(model.id))?.status, "READY");
    await client.models.delete(model.id);
    await client.runs.delete(run.id);
    assert.is(lost, 7);
    const found = (await direct.runs.get(run.id))!;
    assert.equal([found.params.a, found.tags.b, found.status, found.isDeleted], ["1", "2", "FINISHED", true]);
    assert.is(await direct.models.get(model.id), undefined);
  });

  test("an upload that broke is sent again, from its first byte", async () => {
    const { relay, client, direct } = await behindRelay();
    const { artifactUri } = await newExperiment(direct);
    const bytes = randomBytes(2_000_000);
    let sent = 0;
    let cuts = 0;
    relay.fate = (text) => {
      sent += text.length;
      if (cuts >= 2 || sent < 1_000_000) return "pass";
      sent = 0;
      cuts++;
      return "cut";
    };
    await client.artifacts(artifactUri).put("f", bytes.byteLength, piecesOf(bytes));
    assert.is(cuts, 2);
    assert.ok((await bytesOf(direct.artifacts(artifactUri).get("f"))).equals(bytes));
  });

  test("a download that broke goes on behind what it gave", async () => {
    const { relay, client, direct } = await behindRelay();
    const { artifactUri } = await newExperiment(direct);
    // More than the operating system holds on the way.
    const bytes = randomBytes(40_000_000);
    await direct.artifacts(artifactUri).put("f", bytes.byteLength, piecesOf(bytes));
    const asked: string[] = [];
    relay.fate = (text) => {
      if (/^GET \S+\/f /.test(text)) asked.push(/range: (.*)\r\n/i.exec(text)?.[1] ?? "whole");
      return "pass";
    };
    const got: Uint8Array[] = [];
    let size = 0;
    for await (const piece of client.artifacts(artifactUri).get("f")) {
      got.push(piece);
      size += piece.byteLength;
      if (asked.length < 3 && size > 10_000_000 * asked.length) relay.cut();
    }
    assert.ok(Buffer.concat(got).equals(bytes));

    assert.is(asked[0], "whole");
    assert.is(asked.length, 3);
    for (const range of asked.slice(1)) assert.match(range, /^bytes=\d+-$/);
  });

  test("a server that takes no connection is told, with its address and what can be done", async () => {
    const relay = await newRelay();
    const { port } = relay;
    await relay.close();
    const client = await openTest(`http://user:secret@127.0.0.1:${port}`, {
      MLFLOW_HTTP_REQUEST_MAX_RETRIES: "2",
    });
    const error = await failureWithHint(client.experiments.get("0"), "UNAVAILABLE");
    assert.match(error.message, `127.0.0.1:${port}`);
    assert.match(error.message, "ECONNREFUSED");
  });

  test("a server that is silent is given up", async () => {
    const environment = { MLFLOW_HTTP_REQUEST_TIMEOUT: "1", MLFLOW_HTTP_REQUEST_MAX_RETRIES: "1" };
    const { relay, client } = await behindRelay(environment);
    relay.isSilent = true;
    const error = await failureWithHint(
      client.experiments.get("0", { signal: AbortSignal.timeout(30_000) }),
      "UNAVAILABLE",
    );
    assert.match(error.message, "ETIMEDOUT");
    assert.is(relay.madeCount, 2);
  });

  test("who gives and who takes bytes slowly is waited for", async () => {
    const { client } = await behindRelay({
      MLFLOW_HTTP_REQUEST_TIMEOUT: "1",
      MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0",
    });
    const { artifactUri } = await newExperiment(client);
    const artifacts = client.artifacts(artifactUri);
    const bytes = randomBytes(8_000_000);
    const slow = async function* (pieces: AsyncIterable<Uint8Array>) {
      let wait = 2500;
      for await (const piece of pieces) {
        yield piece;
        await sleep(wait);
        wait = 0;
      }
    };
    await artifacts.put("f", bytes.byteLength, () => slow(piecesOf(bytes)()));
    assert.ok((await bytesOf(slow(artifacts.get("f")))).equals(bytes));
  });

  test("a call is aborted wherever it is", async () => {
    const { relay, client, direct } = await behindRelay();
    const { artifactUri } = await newExperiment(direct);
    const artifacts = client.artifacts(artifactUri);
    const aborted = async (call: (signal: AbortSignal) => Promise<unknown>, after = 50) => {
      const abort = new AbortController();
      const running = call(abort.signal);
      setTimeout(() => abort.abort(), after);
      const error = await running.catch((caught) => caught);
      assert.is((error as VarveError).code, "ABORTED", String(error));
    };
    await aborted((signal) => {
      const endless = async function* () {
        for (;;) yield Buffer.alloc(1000);
      };
      return artifacts.put("f", 1e12, endless, { signal });
    });
    const bytes = randomBytes(4_000_000);
    await direct.artifacts(artifactUri).put("g", bytes.byteLength, piecesOf(bytes));
    await aborted(async (signal) => {
      for await (const _ of artifacts.get("g", { signal })) await sleep(100);
    });
    relay.isSilent = true;
    await aborted((signal) => client.experiments.get("0", { signal }));
    relay.fate = () => "cut";
    relay.isSilent = false;
    const waiting = await openTest(`http://127.0.0.1:${relay.port}`, {
      MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "60",
    });
    await aborted((signal) => waiting.experiments.get("0", { signal }), 300);
    await aborted((signal) => waiting.runs.create({ experimentId: "0" }, nothing, { signal }), 300);
    const error = await client.experiments
      .get("0", { signal: AbortSignal.abort() })
      .catch((caught) => caught);
    assert.is(error.code, "ABORTED");
  });
}

test.run();
