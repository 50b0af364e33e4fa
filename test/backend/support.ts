import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import { places } from "../../adapters/places.ts";
import type { ArtifactStore, StoreOptions } from "../../engine/main.ts";
import { openStore } from "../../engine/main.ts";
import { newFolder } from "../helpers/folders.ts";
import { ModelServer } from "../helpers/model-server.ts";
import { closeAll, track } from "../helpers/stores.ts";

/** Where a store has what the backend does not keep. */
export const KINDS = ["embedded", "sqlite"] as const;
export type Kind = (typeof KINDS)[number];

/** A home, and the service that keeps its models. */
export class Place {
  readonly home = newFolder();
  readonly server = new ModelServer();
  readonly kind: Kind;

  constructor(kind: Kind) {
    this.kind = kind;
  }

  /** Without `mlflowTrackingUri` it is that of the server; null for none. */
  async open(options: Omit<StoreOptions, "mlflowTrackingUri"> & { mlflowTrackingUri?: string | null } = {}) {
    const { mlflowTrackingUri = this.server.uri, ...rest } = options;
    const settings: StoreOptions = {
      ...{ home: this.home, environment: false, durability: "buffered" },
      ...(this.kind === "sqlite" && { databaseUrl: `sqlite:///${join(this.home, "metadata.db")}` }),
      ...(mlflowTrackingUri !== null && { mlflowTrackingUri }),
      ...rest,
    };
    return track(await openStore(settings, this.server.over(places)));
  }
}

export interface Context {
  place: Place;
  server: ModelServer;
  /** Another handle. */
  again: Place["open"];
}

type BackendTest = (name: string, run: (store: ArtifactStore, context: Context) => Promise<void>) => void;

/** A suite whose tests are run over a fresh store of each kind. */
export function backendSuite(name: string): BackendTest & { run(): void } {
  const tests = suite(name);
  tests.after.each(closeAll);
  const test: BackendTest = (title, run) => {
    for (const kind of KINDS)
      tests(`${kind}: ${title}`, async () => {
        const place = new Place(kind);
        const store = await place.open();
        await run(store, { place, server: place.server, again: (options) => place.open(options) });
      });
  };
  return Object.assign(test, { run: () => tests.run() });
}

export const ONNX = { mediaType: "application/onnx" } as const;

export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

export function textOf(bytes: unknown): string {
  return Buffer.from(bytes as Uint8Array).toString();
}

export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** A folder with files of these texts. */
export function folderOf(files: Record<string, string>): string {
  const folder = newFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
