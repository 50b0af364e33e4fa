import { places } from "../../adapters/places.ts";
import type { ArtifactStore } from "../../engine/main.ts";
import { ModelServer } from "../helpers/model-server.ts";

export const server = new ModelServer();
export const settings = {
  environment: false as const,
  mlflowTrackingUri: server.uri,
  clock: () => new Date(0),
};
export const overServer = server.over(places);

/** A version of each kind whose value a backend keeps, among others. @param folder one that has an `MLmodel` */
export async function fillKept(store: ArtifactStore, folder: string): Promise<void> {
  const model = (text: string) => new Uint8Array(Buffer.from(text));
  const onnx = { mediaType: "application/onnx" };
  await store.save("data", { a: 1 });
  await store.save("clf", model("one"), {
    ...onnx,
    inputs: ["data"],
    code: "x".repeat(600),
    tags: { a: "1" },
  });
  await store.save("clf", model("two"), onnx);
  await store.save("clf", model("three"), onnx);
  await store.saveDirectory("folder", folder);
  await store.annotate("clf:0", { metadata: { b: 2 } });
  await store.delete("clf:1");
  await store.delete("clf:2", { purge: true });
}

/** As JSON. */
export async function contentsKept(store: ArtifactStore): Promise<unknown> {
  const artifacts = [];
  for (const deleted of [false, true])
    for await (const { environment: _, ...rest } of store.list({ allVersions: true, deleted }))
      artifacts.push(rest);
  return JSON.parse(JSON.stringify(artifacts));
}
