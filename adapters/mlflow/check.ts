import type { BackendSettings, CallOptions } from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";
import { openClient } from "./client.ts";
import { type Access, type Environment, readAccess } from "./environment.ts";
import { notMlflow } from "./failures.ts";
import { parseLocation } from "./location.ts";
import type { MlflowClient } from "./protocol.ts";
import { Transport } from "./transport.ts";

/** The first that has what is used: models of their own, beside runs. */
const MAJOR_VERSION_MIN = 3;
/** What nobody has: asked for to see whether there is an answer. */
const NOTHING = "varve-doctor";
/** Who wants to know what is wrong does not want to wait until it is not. */
const AT_ONCE = { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0" };

/**
 * Asks a server what saving a model will need, and changes nothing: one line for each that is well, for people, without
 * credentials.
 * @throws what saving would be refused with: the first thing that is not well
 */
export async function* checkServer(
  settings: BackendSettings,
  options: CallOptions = {},
  environment: Environment = process.env,
): AsyncGenerator<string> {
  const client = await openClient(settings, { ...environment, ...AT_ONCE });
  try {
    yield await serverText(settings, { ...environment, ...AT_ONCE }, options);
    const experiment = await client.experiments.find("Default", options);
    yield `it answers when asked ${credentialsText(await readAccess(environment), settings)}`;
    if (experiment) yield await artifactsText(client, experiment.artifactUri, options);
    await client.registry.get(NOTHING, options);
    const where = client.registryUri === client.trackingUri ? "there too" : `at ${client.registryUri}`;
    yield `models are registered ${where}`;
  } finally {
    client.close();
  }
}

/** This is told to everybody, whatever the URL that it is asked by. */
async function serverText(
  { trackingUri }: BackendSettings,
  environment: Environment,
  options: CallOptions,
): Promise<string> {
  const location = parseLocation(trackingUri, "mlflow_tracking_uri");
  const transport = new Transport(location, await readAccess(environment), true);
  const doing = "asking for the version";
  try {
    const version = await transport.ask({
      doing,
      method: "GET",
      path: "/version",
      take: (answer) => answer.text(),
      signal: options.signal,
    });
    const [, major] = /^(\d+)\.\d+\S*$/.exec(version.trim()) ?? [];
    if (major === undefined) throw notMlflow(location.uri, doing);
    const text = `MLflow ${version.trim()} at ${location.uri}`;
    if (Number(major) >= MAJOR_VERSION_MIN) return text;
    throw new VarveError("NOT_SUPPORTED", `${text} is too old to keep models`, {
      hint: `use MLflow ${MAJOR_VERSION_MIN} or newer`,
    });
  } finally {
    transport.close();
  }
}

function credentialsText({ authorization }: Access, { trackingUri }: BackendSettings): string {
  const given = parseLocation(trackingUri, "mlflow_tracking_uri").authorization ?? authorization;
  if (given === undefined) return "without credentials";
  return given.startsWith("Basic ") ? "with user and password" : "with a token";
}

/** Files go to where their experiment says, which is said when it is made. */
async function artifactsText(client: MlflowClient, uri: string, options: CallOptions): Promise<string> {
  await client.artifacts(`${uri}/${NOTHING}`).list(options);
  return `files of the experiment Default go through it (${uri})`;
}
