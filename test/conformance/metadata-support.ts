import * as assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type {
  ListQuery,
  MetadataOperation,
  MetadataStore,
  SaveOperation,
  Unit,
  UnitResult,
  ValueFacts,
  VersionRecord,
} from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";

/** A store that the suite was given. */
export interface OpenedMetadata {
  store: MetadataStore;
  /** Another handle on the same store, while this one is open. */
  again(): Promise<MetadataStore>;
  /** Closes all handles, closed ones too, and removes the store. */
  close(): Promise<void>;
}

/** What the suite of the port needs: a way to name tests, and fresh stores. */
export interface MetadataTesting {
  test(name: string, run: () => Promise<void>): void;
  /** A store that nothing was committed to. */
  open(): Promise<OpenedMetadata>;
}

/** A test over a fresh store. */
export type StoreTest = (
  name: string,
  run: (store: MetadataStore, opened: OpenedMetadata) => Promise<void>,
) => void;

export function storeTests({ test, open }: MetadataTesting, theme: string): StoreTest {
  return (name, run) =>
    test(`${theme}: ${name}`, async () => {
      const opened = await open();
      try {
        await run(opened.store, opened);
      } finally {
        await opened.close();
      }
    });
}

/** When the first unit was committed, unless a test says another time. */
export const START = Date.UTC(2026, 0, 1);

export function digestOf(text: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(text).digest());
}

export function hex(digest: Uint8Array): string {
  return Buffer.from(digest).toString("hex");
}

export function factsOf(text: string): ValueFacts {
  return { digest: digestOf(text), size: Buffer.byteLength(text), mediaType: "application/octet-stream" };
}

/** A save of a value that is made up of the text. */
export function save(
  name: string,
  options: Partial<Omit<SaveOperation, "kind" | "name">> = {},
): SaveOperation {
  return {
    kind: "save",
    name,
    value: factsOf(name),
    backend: "varve",
    inputs: [],
    environment: {},
    tags: {},
    metadata: {},
    ...options,
  };
}

export function unit(operations: readonly MetadataOperation[], time = START): Unit {
  return { operations, time };
}

/** Commits one unit, which must succeed. */
export async function apply(
  store: MetadataStore,
  ...operations: readonly MetadataOperation[]
): Promise<UnitResult> {
  return succeeded((await store.commit([unit(operations)]))[0]);
}

/** Commits a save, which must succeed. */
export async function saved(
  store: MetadataStore,
  name: string,
  options: Parameters<typeof save>[1] = {},
): Promise<VersionRecord> {
  const { versions } = await apply(store, save(name, options));
  assert.equal(versions.length, 1);
  return versions[0]!;
}

export function succeeded(result: UnitResult | Error | undefined): UnitResult {
  if (result instanceof Error) throw result;
  assert.ok(result, "a unit has no result");
  return result;
}

/** Commits one unit, which must fail in its place. */
export async function refused(
  store: MetadataStore,
  code: string,
  ...operations: readonly MetadataOperation[]
): Promise<VarveError> {
  const [result] = await store.commit([unit(operations)]);
  return failed(result, code);
}

export function failed(result: UnitResult | Error | undefined, code: string): VarveError {
  assert.ok(result instanceof VarveError, `no VarveError: ${String(result)}`);
  assert.equal(result.code, code, result.message);
  return result;
}

/** The error of a call that must reject. */
export async function rejected(call: Promise<unknown>, code: string): Promise<VarveError> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(outcome instanceof VarveError, `no VarveError: ${String(outcome)}`);
  assert.equal(outcome.code, code, outcome.message);
  return outcome;
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Everything live by name, with what is given changed. */
export function query(options: Partial<ListQuery> = {}): ListQuery {
  return {
    mode: "live",
    sort: "name",
    reverse: false,
    limit: Number.POSITIVE_INFINITY,
    prefix: "",
    isExact: false,
    hints: {},
    matches: () => true,
    ...options,
  };
}

export async function refsOf(store: MetadataStore, options: Partial<ListQuery> = {}): Promise<string[]> {
  return (await all(store.list(query(options)))).map(refOf);
}

export function refOf({ name, version }: { name: string; version: number }): string {
  return `${name}:${version}`;
}

/** Names and versions that stand for themselves. */
export function at(name: string, version: number) {
  return { name, kind: "version" as const, version };
}

export function remove(name: string, version: number, aliases = false) {
  return { kind: "delete" as const, target: at(name, version), aliases };
}

export function latest(name: string) {
  return { name, kind: "latest" as const, explicit: false };
}

export function alias(name: string, of: string) {
  return { name, kind: "alias" as const, alias: of };
}

export function pending(operation: number) {
  return { kind: "pending" as const, operation };
}

/** A record that can be compared: digests as texts, whatever kind of bytes they are. */
export function plain(record: VersionRecord | undefined): unknown {
  if (!record) return undefined;
  const { digest, stamps, ...rest } = record;
  return { ...rest, digest: hex(digest), ...(stamps && { stamps: hex(stamps) }) };
}

/** Random numbers that can be had again. */
export function randomOf(seed: number): (end: number) => number {
  let state = seed;
  return (end) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * end);
  };
}
