import type { BackendSettings } from "../../engine/main.ts";
import { artifactRoute } from "./artifact-route.ts";
import { ProxiedArtifacts } from "./artifacts.ts";
import { type Access, type Environment, readAccess } from "./environment.ts";
import { RestExperiments } from "./experiments.ts";
import { type Location, parseLocation } from "./location.ts";
import { RestModels } from "./models.ts";
import { PartedTransfers, storageLocation } from "./multipart.ts";
import type { Artifacts, Experiments, MlflowClient, Models, Registry, Runs } from "./protocol.ts";
import { RestRegistry } from "./registry.ts";
import { RestRuns } from "./runs.ts";
import { Transport } from "./transport.ts";

/** Sends nothing. @throws CONFIG */
export async function openClient(
  settings: BackendSettings,
  environment: Environment = process.env,
): Promise<MlflowClient> {
  const tracking = parseLocation(settings.trackingUri, "mlflow_tracking_uri");
  const registry = parseLocation(settings.registryUri || settings.trackingUri, "mlflow_registry_uri");
  return new RestClient(tracking, registry, await readAccess(environment));
}

class RestClient implements MlflowClient {
  readonly #tracking: Location;
  readonly #registry: Location;
  readonly #access: Access;
  /** By URI, and by whether they get credentials. */
  readonly #transports = new Map<string, Transport>();
  readonly #parted = new Map<Transport, PartedTransfers>();
  readonly experiments: Experiments;
  readonly runs: Runs;
  readonly models: Models;
  readonly registry: Registry;

  constructor(tracking: Location, registry: Location, access: Access) {
    this.#tracking = tracking;
    this.#registry = registry;
    this.#access = access;
    const transport = this.#transport(tracking);
    this.experiments = new RestExperiments(transport);
    this.runs = new RestRuns(transport);
    this.models = new RestModels(transport, this.experiments);
    this.registry = new RestRegistry(this.#transport(registry));
  }

  get trackingUri(): string {
    return this.#tracking.uri;
  }

  get registryUri(): string {
    return this.#registry.uri;
  }

  artifacts(uri: string): Artifacts {
    const { path, ...server } = artifactRoute(uri, this.#tracking);
    const own = [this.#tracking, this.#registry].find(({ origin }) => origin === server.origin);
    const transport = this.#transport({ ...own, ...server });
    let parted = this.#parted.get(transport);
    if (!parted) {
      const toStorage = (url: string) => this.#transport(storageLocation(url), false);
      parted = new PartedTransfers(transport, this.#access.multipart, toStorage);
      this.#parted.set(transport, parted);
    }
    return new ProxiedArtifacts(transport, parted, path);
  }

  /** Credentials are for the servers that were named, and for no other that one of them names. */
  #transport(
    location: Location,
    isTrusted = [this.#tracking, this.#registry].some(({ origin }) => origin === location.origin),
  ): Transport {
    const key = `${isTrusted} ${location.authorization ?? ""} ${location.uri}`;
    let transport = this.#transports.get(key);
    if (!transport) {
      transport = new Transport(location, this.#access, isTrusted);
      this.#transports.set(key, transport);
    }
    return transport;
  }

  close(): void {
    for (const transport of this.#transports.values()) transport.close();
  }
}
