import type { Artifact, ArtifactStore } from "../../engine/api.ts";
import type { Random } from "../helpers/random.ts";
import type { History, ModelVersion } from "./power-cut-history.ts";
import { holds } from "./power-cut-history.ts";
import { textOf } from "./values.ts";

/** One way to read a store, which tells the history what was given. */
type Read = (store: ArtifactStore, history: History, version: ModelVersion) => Promise<void>;

const load: Read = async (store, history, { name, version }) => {
  const value = await textOf(await store.load(`${name}:${version}`));
  history.given(`${name}:${version}`, (model) => model.names.get(name)?.[version]?.value === value);
};

const get: Read = async (store, history, { name }) => {
  given(history, await store.get(name));
  const aliases = Object.entries(await store.aliases(name));
  history.given(`aliases of ${name}`, (model) =>
    aliases.every(([alias, version]) => model.aliases.get(`${name}@${alias}`)?.version === version),
  );
};

const list: Read = async (store, history) => {
  for await (const artifact of store.list({ allVersions: true })) given(history, artifact);
};

function given(history: History, artifact: Artifact): void {
  history.given(artifact.ref, (model) => holds(model, artifact));
}

const READS: readonly Read[] = [load, get, list];

/** A read of one of these stores, where that is open and there is something to read. */
export function drawRead(
  random: Random,
  stores: readonly [ArtifactStore, ArtifactStore, ArtifactStore | undefined],
  history: History,
): (() => Promise<void>) | undefined {
  const store = stores[random.below(stores.length)];
  const live = history.tip.model.live();
  const one = live[random.below(live.length)];
  if (!store || !one) return undefined;
  const way = READS[random.below(READS.length)]!;
  return () => way(store, history, one);
}
