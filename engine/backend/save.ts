import type { AdoptOptions, CallOptions, Code, SaveDirectoryOptions, SaveOptions } from "../api.ts";
import { callOf, signalOf } from "../call-options.ts";
import { requireRecord } from "../composed/find.ts";
import { saveOperation } from "../composed/save.ts";
import { throwIfAborted } from "../errors.ts";
import type {
  MetadataStore,
  SaveOperation,
  Target,
  ValueFacts,
  VersionRecord,
} from "../ports/metadata-store.ts";
import type { BackendOptions, BackendValue, StorageBackend } from "../ports/storage-backend.ts";
import { otherLatest } from "../refusals.ts";
import type { TakenOptions, TakenValue } from "../save.ts";
import { adoptedModel } from "./adopt.ts";
import { folderValue } from "./folder.ts";
import { encodeKept, type KeptFolder } from "./kept.ts";
import { modelValue } from "./model-value.ts";
import type { BackendParts } from "./parts.ts";
import { takeBack } from "./purge.ts";

/** A save whose options were taken at the call. */
export interface BackendSaving {
  name: string;
  taken: TakenOptions<Target>;
  /** A copy of `mlflow` as it was given. */
  given: unknown;
}

/** Puts values into the backend, then commits what finds them there: a crash leaves a model without a version, never a version without a model. */
export class BackendSaver {
  readonly #parts: BackendParts;
  /** The last save of each name: they go one after another, so that each knows the version that it will get. */
  readonly #running = new Map<string, Promise<unknown>>();

  constructor(parts: BackendParts) {
    this.#parts = parts;
  }

  async file(saving: BackendSaving, value: TakenValue, options: SaveOptions): Promise<VersionRecord> {
    const ready = await this.#ready(saving, "file", options);
    const model = await modelValue(value, options);
    try {
      return await this.#keep(saving, ready, model.value, undefined, options);
    } finally {
      await model.release();
    }
  }

  async folder(saving: BackendSaving, path: string, options: SaveDirectoryOptions): Promise<VersionRecord> {
    const ready = await this.#ready(saving, "directory", options);
    const { value, folder } = await folderValue(path, options);
    return this.#keep(saving, ready, value, folder, options);
  }

  /** What is there already. */
  async adopt({ name, taken }: BackendSaving, uri: string, options: AdoptOptions): Promise<VersionRecord> {
    this.#parts.checkWritable();
    const backend = await this.#parts.connection.opened();
    await this.#check(name, taken, options);
    const code = await taken.code;
    const { facts, place, folder } = await adoptedModel(backend, uri, options);
    return this.#inTurn(name, options, async () => {
      await this.#check(name, taken, options);
      const kept = encodeKept({ place, folder });
      return this.#commit(this.#operation(name, taken, code, { ...facts, kept }));
    });
  }

  /** What can be refused before anything is read is refused first. */
  async #ready(
    { name, given, taken }: BackendSaving,
    kind: BackendValue["kind"],
    call: CallOptions,
  ): Promise<Ready> {
    this.#parts.checkWritable();
    const backend = await this.#parts.connection.opened();
    const options = backend.takeOptions(name, given, kind);
    await this.#check(name, taken, call);
    return { backend, options, code: await taken.code };
  }

  #keep(
    { name, taken }: BackendSaving,
    { backend, options, code }: Ready,
    value: BackendValue,
    folder: KeptFolder | undefined,
    call: CallOptions,
  ): Promise<VersionRecord> {
    return this.#inTurn(name, call, async () => {
      await this.#check(name, taken, call);
      const { storeId } = this.#parts.metadata();
      const version = await nextVersion(this.#parts.metadata(), name, call);
      const environment = this.#parts.environment();
      const save = { storeId, name, version, options, environment };
      const place = await backend.keep(value, save, callOf(call));
      const { digest, size, mediaType } = value;
      const kept = encodeKept({ place, ...(folder && { folder }) });
      const operation = this.#operation(name, taken, code, { digest, size, mediaType, kept });
      try {
        return await this.#commit(operation);
      } catch (error) {
        await takeBack(this.#parts, place, error);
        throw error;
      }
    });
  }

  #operation(
    name: string,
    taken: TakenOptions<Target>,
    code: Code | undefined,
    facts: ValueFacts,
  ): SaveOperation {
    return { ...saveOperation(name, facts, taken, code, this.#parts.environment()), backend: "mlflow" };
  }

  async #commit(operation: SaveOperation): Promise<VersionRecord> {
    return (await this.#parts.commit(operation)).versions[0]!;
  }

  /** The commit makes sure of it; here it is looked at before anything is sent. */
  async #check(name: string, taken: TakenOptions<Target>, options: CallOptions): Promise<void> {
    const metadata = this.#parts.metadata();
    const { ifVersion, inputs } = taken;
    for (const input of inputs) if (input.kind !== "pending") await requireRecord(metadata, input, options);
    if (ifVersion === undefined) return;
    const latest = await metadata.find({ name, kind: "latest", explicit: false }, signalOf(options));
    const actual = latest?.version ?? "absent";
    if (actual !== ifVersion) throw otherLatest(name, actual, ifVersion);
  }

  #inTurn<T>(name: string, { signal }: CallOptions, save: () => Promise<T>): Promise<T> {
    const before = this.#running.get(name) ?? Promise.resolve();
    const own = turnOf(before, signal).then(save);
    // One that is aborted may end before those in front of it.
    const settled: Promise<unknown> = Promise.allSettled([before, own]).then(() => {
      if (this.#running.get(name) === settled) this.#running.delete(name);
    });
    this.#running.set(name, settled);
    return own;
  }
}

/** @throws ABORTED, without waiting for it */
async function turnOf(before: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  let stop = () => {};
  const aborted = new Promise<void>((resolve) => (stop = resolve));
  signal?.addEventListener("abort", stop, { once: true });
  try {
    await Promise.race([before, aborted]);
  } finally {
    signal?.removeEventListener("abort", stop);
  }
  throwIfAborted(signal);
}

interface Ready {
  backend: StorageBackend;
  options: BackendOptions;
  code: Code | undefined;
}

/** Unless somebody is faster. */
async function nextVersion(metadata: MetadataStore, name: string, options: CallOptions): Promise<number> {
  let newest = -1;
  for (const mode of ["live", "deleted"] as const) {
    const query = {
      ...{ mode, sort: "name" as const, reverse: false, limit: 1, prefix: name, isExact: true, hints: {} },
      matches: () => true,
    };
    for await (const { version } of metadata.list(query, signalOf(options)))
      newest = Math.max(newest, version);
  }
  return newest + 1;
}
