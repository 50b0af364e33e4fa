import { edgeKey, edgesRange, parseEdgeKey, type VersionName } from "../artifact-key.ts";
import type { EngineSnapshot } from "../snapshot.ts";
import type { Transaction } from "../transaction.ts";
import { preparePayload } from "../transaction.ts";

const NOTHING = new Uint8Array();

/** Notes which versions a new one was made from, so that they can tell what was made from them. */
export function putEdges(
  transaction: Transaction,
  inputs: readonly VersionName[],
  consumer: VersionName,
): void {
  const keys = new Map(inputs.map((input) => [`${input.name}:${input.version}`, edgeKey(input, consumer)]));
  for (const key of keys.values()) {
    transaction.put(key, preparePayload([], NOTHING, 0n), { isNew: true });
  }
}

/** What was made from a version, deleted or not, in order of names and versions. */
export function* consumersOf(snapshot: EngineSnapshot, input: VersionName): Generator<VersionName> {
  for (const page of snapshot.pages(edgesRange(input))) {
    for (const { key } of page) yield parseEdgeKey(key);
  }
}
