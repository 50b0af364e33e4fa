import { type CallOptions, VarveError } from "../../engine/main.ts";
import { orNothing } from "./absent.ts";
import { object, objects, pairs, record, text } from "./fields.ts";
import { paged } from "./pages.ts";
import type { Find, NewRun, Query, Run, RunStatus, Runs, Tags } from "./protocol.ts";
import type { JsonObject, Transport } from "./transport.ts";

const PATH = "/api/2.0/mlflow/runs";
const PAGE = 1000;
/** Of a request. */
const BATCH = 100;
const ENDED: ReadonlySet<RunStatus> = new Set(["FINISHED", "FAILED", "KILLED"]);

export class RestRuns implements Runs {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  create(run: NewRun, find: Find<Run>, options?: CallOptions): Promise<Run> {
    const body = {
      experiment_id: run.experimentId,
      ...(run.name !== undefined && { run_name: run.name }),
      start_time: run.startTime ?? Date.now(),
      tags: pairs(run.tags),
    };
    const ask = { doing: "making a run", method: "POST", path: `${PATH}/create`, body, find } as const;
    return this.#transport.json({ ...ask, ...options }, runIn);
  }

  get(id: string, options?: CallOptions): Promise<Run | undefined> {
    return orNothing(this.#read(id, runIn, options));
  }

  search({ filter, experimentIds = [] }: Query, options?: CallOptions): AsyncIterable<Run> {
    const pages = {
      doing: "looking for runs",
      method: "POST",
      path: `${PATH}/search`,
      fields: { experiment_ids: [...experimentIds], max_results: PAGE, ...(filter && { filter }) },
      list: "runs",
    } as const;
    return paged(this.#transport, pages, runOf, options);
  }

  async setStatus(id: string, status: RunStatus, options?: CallOptions): Promise<void> {
    const ended = ENDED.has(status) && { end_time: Date.now() };
    await this.#post(`ending the run ${id}`, "update", { run_id: id, status, ...ended }, options);
  }

  async logParams(
    id: string,
    params: Readonly<Record<string, string>>,
    options?: CallOptions,
  ): Promise<void> {
    await this.#inBatches(id, "params", params, options);
  }

  async setTags(id: string, tags: Tags, options?: CallOptions): Promise<void> {
    await this.#inBatches(id, "tags", tags, options);
  }

  async logOutputs(id: string, modelIds: readonly string[], options?: CallOptions): Promise<void> {
    try {
      await this.#logOutputs(id, modelIds, options);
    } catch (error) {
      if (!(error instanceof VarveError && error.code === "INVALID_ARGUMENT")) throw error;
      // It takes none of them when one is there already, as after an answer that was lost.
      const known = await this.#outputs(id, options);
      const missing = modelIds.filter((each) => !known.includes(each));
      if (missing.length === modelIds.length) throw error;
      if (missing.length > 0) await this.#logOutputs(id, missing, options);
    }
  }

  async delete(id: string, options?: CallOptions): Promise<void> {
    // One that is deleted already is deleted again.
    await orNothing(this.#post(`deleting the run ${id}`, "delete", { run_id: id }, options));
  }

  async #logOutputs(id: string, modelIds: readonly string[], options?: CallOptions): Promise<void> {
    const models = modelIds.map((model_id) => ({ model_id, step: 0 }));
    await this.#post(`naming what the run ${id} has made`, "outputs", { run_id: id, models }, options);
  }

  /** Ids of models. */
  #outputs(id: string, options?: CallOptions): Promise<string[]> {
    const idsIn = ({ run }: JsonObject) =>
      objects(object(object(run).outputs).model_outputs).map(({ model_id }) => text(model_id));
    return this.#read(id, idsIn, options);
  }

  #read<T>(id: string, take: (answer: JsonObject) => T, options?: CallOptions): Promise<T> {
    const ask = { doing: `reading the run ${id}`, method: "GET", path: `${PATH}/get` } as const;
    return this.#transport.json({ ...ask, query: { run_id: id }, ...options }, take);
  }

  async #inBatches(id: string, kind: "params" | "tags", values: Tags, options?: CallOptions): Promise<void> {
    const all = pairs(values);
    for (let from = 0; from < all.length; from += BATCH) {
      const body = { run_id: id, [kind]: all.slice(from, from + BATCH) };
      await this.#post(`writing ${kind} of the run ${id}`, "log-batch", body, options);
    }
  }

  async #post(doing: string, path: string, body: JsonObject, options?: CallOptions): Promise<void> {
    const ask = { doing, method: "POST", path: `${PATH}/${path}`, body, ...options } as const;
    await this.#transport.json(ask, () => undefined);
  }
}

function runIn(answer: JsonObject): Run {
  return runOf(object(answer.run));
}

function runOf(from: JsonObject): Run {
  const info = object(from.info);
  const data = object(from.data);
  return {
    id: text(info.run_id),
    name: text(info.run_name),
    experimentId: text(info.experiment_id),
    status: text(info.status) as RunStatus,
    artifactUri: text(info.artifact_uri),
    isDeleted: text(info.lifecycle_stage) === "deleted",
    tags: record(data.tags),
    params: record(data.params),
  };
}
