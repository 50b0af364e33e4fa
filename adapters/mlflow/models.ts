import type { CallOptions } from "../../engine/main.ts";
import { orNothing } from "./absent.ts";
import { object, optionalText, pairs, record, text, whole } from "./fields.ts";
import { paged } from "./pages.ts";
import type {
  Experiments,
  Find,
  LoggedModel,
  ModelStatus,
  Models,
  NewModel,
  Query,
  Tags,
} from "./protocol.ts";
import type { JsonObject, Transport } from "./transport.ts";

const PATH = "/api/2.0/mlflow/logged-models";
const PAGE = 50;
/** Of experiments that are looked at in one search. */
const EXPERIMENTS = 100;

export class RestModels implements Models {
  readonly #transport: Transport;
  readonly #experiments: Experiments;

  constructor(transport: Transport, experiments: Experiments) {
    this.#transport = transport;
    this.#experiments = experiments;
  }

  create(model: NewModel, find: Find<LoggedModel>, options?: CallOptions): Promise<LoggedModel> {
    const body = {
      experiment_id: model.experimentId,
      name: model.name,
      ...(model.runId !== undefined && { source_run_id: model.runId }),
      tags: pairs(model.tags),
      params: pairs(model.params),
    };
    const ask = { doing: `making the model ${model.name}`, method: "POST", path: PATH, body, find } as const;
    return this.#transport.json({ ...ask, ...options }, modelIn);
  }

  get(id: string, options?: CallOptions): Promise<LoggedModel | undefined> {
    const ask = { doing: `reading the model ${id}`, method: "GET", path: pathOf(id), ...options } as const;
    return orNothing(this.#transport.json(ask, modelIn));
  }

  async *search(query: Query, options?: CallOptions): AsyncGenerator<LoggedModel> {
    for await (const ids of this.#experimentIds(query, options)) {
      const pages = {
        doing: "looking for models",
        method: "POST",
        path: `${PATH}/search`,
        fields: { experiment_ids: ids, max_results: PAGE, ...(query.filter && { filter: query.filter }) },
        list: "models",
      } as const;
      yield* paged(this.#transport, pages, modelOf, options);
    }
  }

  async setStatus(id: string, status: "READY" | "UPLOAD_FAILED", options?: CallOptions): Promise<void> {
    // The id is needed here too.
    const body = { model_id: id, status: `LOGGED_MODEL_${status}` };
    await this.#patch(`finishing the model ${id}`, pathOf(id), body, options);
  }

  async setTags(id: string, tags: Tags, options?: CallOptions): Promise<void> {
    const body = { model_id: id, tags: pairs(tags) };
    await this.#patch(`writing tags of the model ${id}`, `${pathOf(id)}/tags`, body, options);
  }

  async delete(id: string, options?: CallOptions): Promise<void> {
    const ask = {
      doing: `deleting the model ${id}`,
      method: "DELETE",
      path: pathOf(id),
      ...options,
    } as const;
    await orNothing(this.#transport.json(ask, () => undefined));
  }

  async *#experimentIds(query: Query, options?: CallOptions): AsyncGenerator<string[]> {
    if (query.experimentIds) {
      yield [...query.experimentIds];
      return;
    }
    let ids: string[] = [];
    for await (const { id } of this.#experiments.list(options)) {
      ids.push(id);
      if (ids.length < EXPERIMENTS) continue;
      yield ids;
      ids = [];
    }
    if (ids.length > 0) yield ids;
  }

  async #patch(doing: string, path: string, body: JsonObject, options?: CallOptions): Promise<void> {
    await this.#transport.json({ doing, method: "PATCH", path, body, ...options }, () => undefined);
  }
}

function pathOf(id: string): string {
  return `${PATH}/${encodeURIComponent(id)}`;
}

function modelIn(answer: JsonObject): LoggedModel {
  return modelOf(object(answer.model));
}

function modelOf(from: JsonObject): LoggedModel {
  const info = object(from.info);
  const runId = optionalText(info.source_run_id);
  return {
    id: text(info.model_id),
    name: text(info.name),
    experimentId: text(info.experiment_id),
    artifactUri: text(info.artifact_uri),
    status: statusOf(info.status),
    ...(runId !== undefined && { runId }),
    tags: record(info.tags),
    params: record(object(from.data).params),
    createdAt: whole(info.creation_timestamp_ms),
  };
}

const STATUSES: readonly ModelStatus[] = ["UNSPECIFIED", "PENDING", "READY", "UPLOAD_FAILED"];

function statusOf(value: unknown): ModelStatus {
  const name = text(value).replace(/^LOGGED_MODEL_/, "");
  return STATUSES.find((each) => each === name) ?? "UNSPECIFIED";
}
