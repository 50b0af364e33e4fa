import type { MetadataStore } from "../../engine/main.ts";
import {
  all,
  apply,
  at,
  digestOf,
  factsOf,
  latest,
  plain,
  query,
  START,
  save,
  succeeded,
  unit,
} from "../conformance/metadata-support.ts";

const code = { sources: [{ file: "train.ts", text: "let x;\n".repeat(100) }] };

/** A version in every state that one can be in whose value is elsewhere. */
export async function fillElsewhere(metadata: MetadataStore): Promise<void> {
  const environment = { node: "v20.19.0", user: "mia" };
  const value = { ...factsOf("tree"), mediaType: "text/tree", stamps: digestOf("stamps") };
  await apply(metadata, save("data", { environment }));
  await apply(metadata, save("model", { value, code, inputs: [latest("data")], tags: { x: "1" } }));
  await apply(metadata, { kind: "alias", name: "model", alias: "best", version: 0 });
  const mediaType = "application/cbor";
  const kept = { backend: "mlflow" as const, value: { ...factsOf("kept"), mediaType }, metadata: { a: [1] } };
  const [result] = await metadata.commit([unit([save("kept", kept), save("kept", { code })], START + 5)]);
  const { sequence } = succeeded(result);
  await apply(metadata, { kind: "annotate", target: at("kept", 0), tags: { y: "2" } });
  await apply(metadata, {
    kind: "delete",
    target: at("kept", 1),
    aliases: false,
    unless: { changedAfter: sequence },
  });
  await metadata.forget((await metadata.counts()).sequence);
  await apply(metadata, { kind: "delete", target: at("model", 0), aliases: true });
  await apply(metadata, { kind: "undelete", name: "model", version: 0 });
  await apply(metadata, { kind: "delete", target: at("data", 0), aliases: false });
}

/** As JSON: all versions, and the feed. */
export async function contentsElsewhere(metadata: MetadataStore): Promise<unknown> {
  const records = [];
  for (const mode of ["live", "deleted"] as const)
    records.push(...(await all(metadata.list(query({ mode })))).map(plain));
  return JSON.parse(JSON.stringify({ records, operations: await all(metadata.operations(0)) }));
}
