import { type CallOptions, VarveError } from "../../engine/main.ts";
import { errorCodeOf, orNothing } from "./absent.ts";
import { object, record, text } from "./fields.ts";
import { paged } from "./pages.ts";
import type { Experiment, Experiments } from "./protocol.ts";
import type { JsonObject, Transport } from "./transport.ts";

const PATH = "/api/2.0/mlflow/experiments";
const PAGE = 1000;

export class RestExperiments implements Experiments {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  find(name: string, options?: CallOptions): Promise<Experiment | undefined> {
    return this.#one(`finding the experiment ${name}`, "get-by-name", { experiment_name: name }, options);
  }

  get(id: string, options?: CallOptions): Promise<Experiment | undefined> {
    return this.#one(`reading the experiment ${id}`, "get", { experiment_id: id }, options);
  }

  async ensure(name: string, options?: CallOptions): Promise<Experiment> {
    const found = (await this.find(name, options)) ?? (await this.#create(name, options));
    if (!found.isDeleted) return found;
    throw new VarveError("CONFLICT", `the experiment ${name} is deleted in MLflow`, {
      hint: "restore it there, remove it there (mlflow gc), or use another name",
      details: { experimentId: found.id },
    });
  }

  list(options?: CallOptions): AsyncIterable<Experiment> {
    const pages = {
      doing: "listing experiments",
      method: "POST",
      path: `${PATH}/search`,
      fields: { max_results: PAGE, view_type: "ACTIVE_ONLY" },
      list: "experiments",
    } as const;
    return paged(this.#transport, pages, experimentOf, options);
  }

  /** Names are unique, so that one that is there already is the one that was asked for. */
  async #create(name: string, options?: CallOptions): Promise<Experiment> {
    const doing = `making the experiment ${name}`;
    const ask = { doing, method: "POST", path: `${PATH}/create`, body: { name }, ...options } as const;
    try {
      const id = await this.#transport.json(ask, (answer) => text(answer.experiment_id));
      return (await this.get(id, options)) ?? { ...experimentOf({}), id, name };
    } catch (error) {
      const found = errorCodeOf(error) === "RESOURCE_ALREADY_EXISTS" && (await this.find(name, options));
      if (found) return found;
      throw error;
    }
  }

  #one(
    doing: string,
    path: string,
    query: Record<string, string>,
    options?: CallOptions,
  ): Promise<Experiment | undefined> {
    const ask = { doing, method: "GET", path: `${PATH}/${path}`, query, ...options } as const;
    return orNothing(this.#transport.json(ask, ({ experiment }) => experimentOf(object(experiment))));
  }
}

function experimentOf(from: JsonObject): Experiment {
  return {
    id: text(from.experiment_id),
    name: text(from.name),
    artifactUri: text(from.artifact_location),
    isDeleted: text(from.lifecycle_stage) === "deleted",
    tags: record(from.tags),
  };
}
