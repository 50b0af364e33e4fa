import type { CallOptions } from "../../engine/main.ts";
import { errorCodeOf, orNothing } from "./absent.ts";
import { object, objects, optionalText, pairs, record, text, whole } from "./fields.ts";
import { paged } from "./pages.ts";
import type { Find, ModelVersion, NewVersion, Query, RegisteredModel, Registry, Tags } from "./protocol.ts";
import type { JsonObject, Transport } from "./transport.ts";

const MODELS = "/api/2.0/mlflow/registered-models";
const VERSIONS = "/api/2.0/mlflow/model-versions";
const LOGGED_MODELS = "/api/2.0/mlflow/logged-models";
const PAGE = 1000;
/** Of `models:/m-…`. */
const MODEL_SOURCE = /^models:\/(m-[0-9a-f]{32})$/;

export class RestRegistry implements Registry {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async hasModel(id: string, options?: CallOptions): Promise<boolean> {
    const path = `${LOGGED_MODELS}/${encodeURIComponent(id)}`;
    const ask = { doing: `looking for the model ${id}`, method: "GET", path, ...options } as const;
    return (await orNothing(this.#transport.json(ask, () => true))) ?? false;
  }

  get(name: string, options?: CallOptions): Promise<RegisteredModel | undefined> {
    const ask = { doing: `reading the registered model ${name}`, path: `${MODELS}/get`, query: { name } };
    return orNothing(
      this.#transport.json({ ...ask, method: "GET", ...options }, ({ registered_model }) => {
        const from = object(registered_model);
        return {
          name: text(from.name),
          tags: record(from.tags),
          aliases: record(from.aliases, "alias", "version"),
        };
      }),
    );
  }

  async ensure(name: string, tags?: Tags, options?: CallOptions): Promise<void> {
    if (await this.get(name, options)) return;
    try {
      const body = { name, tags: pairs(tags) };
      await this.#send("POST", `making the registered model ${name}`, `${MODELS}/create`, body, options);
    } catch (error) {
      if (errorCodeOf(error) !== "RESOURCE_ALREADY_EXISTS") throw error;
    }
  }

  createVersion(version: NewVersion, find: Find<ModelVersion>, options?: CallOptions): Promise<ModelVersion> {
    const body = {
      name: version.name,
      source: version.source,
      ...(version.modelId !== undefined && { model_id: version.modelId }),
      ...(version.runId !== undefined && { run_id: version.runId }),
      tags: pairs(version.tags),
    };
    const doing = `registering a version of ${version.name}`;
    const ask = { doing, method: "POST", path: `${VERSIONS}/create`, body, find, ...options } as const;
    return this.#transport.json(ask, versionIn);
  }

  getVersion(name: string, version: string, options?: CallOptions): Promise<ModelVersion | undefined> {
    const ask = { doing: `reading version ${version} of ${name}`, path: `${VERSIONS}/get` };
    return this.#version({ ...ask, query: { name, version } }, options);
  }

  async latestVersion(name: string, options?: CallOptions): Promise<ModelVersion | undefined> {
    const ask = { doing: `reading the registered model ${name}`, path: `${MODELS}/get`, query: { name } };
    const versions = await orNothing(
      this.#transport.json({ ...ask, method: "GET", ...options }, ({ registered_model }) =>
        objects(object(registered_model).latest_versions).map(versionOf),
      ),
    );
    // One for each stage, of which MLflow had several.
    return versions?.sort((a, b) => Number(b.version) - Number(a.version))[0];
  }

  searchVersions(
    { filter }: Omit<Query, "experimentIds">,
    options?: CallOptions,
  ): AsyncIterable<ModelVersion> {
    const pages = {
      doing: "looking for registered versions",
      method: "GET",
      path: `${VERSIONS}/search`,
      fields: { max_results: PAGE, ...(filter && { filter }) },
      list: "model_versions",
    } as const;
    return paged(this.#transport, pages, versionOf, options);
  }

  artifactUri(name: string, version: string, options?: CallOptions): Promise<string | undefined> {
    const doing = `asking where version ${version} of ${name} is`;
    const ask = {
      doing,
      method: "GET",
      path: `${VERSIONS}/get-download-uri`,
      query: { name, version },
    } as const;
    return orNothing(this.#transport.json({ ...ask, ...options }, (answer) => text(answer.artifact_uri)));
  }

  async setVersionTag(
    name: string,
    version: string,
    key: string,
    value: string,
    options?: CallOptions,
  ): Promise<void> {
    const doing = `writing a tag of version ${version} of ${name}`;
    await this.#send("POST", doing, `${VERSIONS}/set-tag`, { name, version, key, value }, options);
  }

  async deleteVersion(name: string, version: string, options?: CallOptions): Promise<void> {
    const doing = `deleting version ${version} of ${name}`;
    await orNothing(this.#send("DELETE", doing, `${VERSIONS}/delete`, { name, version }, options));
  }

  async findAlias(name: string, alias: string, options?: CallOptions): Promise<ModelVersion | undefined> {
    const ask = { doing: `reading the alias ${alias} of ${name}`, path: `${MODELS}/alias` };
    try {
      return await this.#version({ ...ask, query: { name, alias } }, options);
    } catch (error) {
      // An alias that is not there is told like one that can't be.
      if (errorCodeOf(error) === "INVALID_PARAMETER_VALUE") return undefined;
      throw error;
    }
  }

  async setAlias(name: string, alias: string, version: string, options?: CallOptions): Promise<void> {
    const doing = `setting the alias ${alias} of ${name}`;
    await this.#send("POST", doing, `${MODELS}/alias`, { name, alias, version }, options);
  }

  async deleteAlias(name: string, alias: string, options?: CallOptions): Promise<void> {
    const doing = `deleting the alias ${alias} of ${name}`;
    try {
      await orNothing(this.#send("DELETE", doing, `${MODELS}/alias`, { name, alias }, options));
    } catch (error) {
      if (errorCodeOf(error) !== "INVALID_PARAMETER_VALUE") throw error;
    }
  }

  #version(
    ask: { doing: string; path: string; query: Record<string, string> },
    options?: CallOptions,
  ): Promise<ModelVersion | undefined> {
    return orNothing(this.#transport.json({ ...ask, method: "GET", ...options }, versionIn));
  }

  async #send(
    method: "POST" | "DELETE",
    doing: string,
    path: string,
    body: JsonObject,
    options?: CallOptions,
  ): Promise<void> {
    await this.#transport.json({ doing, method, path, body, ...options }, () => undefined);
  }
}

function versionIn(answer: JsonObject): ModelVersion {
  return versionOf(object(answer.model_version));
}

function versionOf(from: JsonObject): ModelVersion {
  const source = text(from.source);
  const runId = optionalText(from.run_id);
  const modelId = optionalText(from.model_id) ?? MODEL_SOURCE.exec(source)?.[1];
  return {
    name: text(from.name),
    version: text(from.version),
    source,
    ...(modelId !== undefined && { modelId }),
    ...(runId !== undefined && { runId }),
    tags: record(from.tags),
    createdAt: whole(from.creation_timestamp),
  };
}
