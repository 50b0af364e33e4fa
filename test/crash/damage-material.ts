/** Stores to be damaged, kept as bytes, so that each trial begins with the same one. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import type { ArtifactStore } from "../../engine/api.ts";
import { currentBootId } from "../../engine/index/boot.ts";
import { lockFolder } from "../../engine/index/lock.ts";
import { indexFolder, listGenerations } from "../../engine/maintenance/home.ts";
import { placeOf } from "../helpers/indexes.ts";
import { adoptLocks } from "../helpers/locks.ts";

/** The value of one version, made from its name and number alone. */
export function valueFor(name: string, version: number): unknown {
  const text = `${name} ${version} `.repeat(1 + ((version * 7 + name.length) % 40));
  if (name.startsWith("bytes/")) return Buffer.from(text.repeat(12));
  return { name, version, text };
}

export interface Filling {
  names: number;
  versions: number;
}

/**
 * Artifacts with tags, aliases, deletes, annotations and batches.
 * @returns how many versions each name has
 */
export async function fill(store: ArtifactStore, { names, versions }: Filling): Promise<void> {
  const all = Array.from({ length: names }, (_, n) => (n % 5 === 0 ? `bytes/${n}` : `group${n % 3}/${n}`));
  for (let version = 0; version < versions; version++) {
    for (const [n, name] of all.entries()) {
      if (n % 4 === 0) {
        await store.batch((batch) => {
          batch.save(name, valueFor(name, version), { tags: { n: String(n) } });
          batch.setAlias(name, "newest", version);
        });
      } else await store.save(name, valueFor(name, version), { metadata: { n, version } });
      if (n % 7 === 0 && n % 6 !== 1) await store.setAlias(name, `v${version}`, version);
      if (n % 6 === 1 && version > 0) await store.delete(`${name}:${version - 1}`);
      if (n % 6 === 2) await store.annotate(`${name}:${version}`, { tags: { note: "later" } });
    }
  }
}

export interface Expected {
  /** Every version that can be loaded, with its value. */
  values: Map<string, unknown>;
  /** When each was saved, in milliseconds since 1970. */
  times: Map<string, number>;
  /** The newest version of each name that can be loaded. */
  latest: Map<string, number>;
  /** The number that the next save of each name gets. */
  next: Map<string, number>;
}

export async function expectedOf(store: ArtifactStore): Promise<Expected> {
  const expected: Expected = { values: new Map(), times: new Map(), latest: new Map(), next: new Map() };
  for await (const { name, version } of store.list({ allVersions: true, deleted: true }))
    expected.next.set(name, Math.max(expected.next.get(name) ?? 0, version + 1));
  for await (const artifact of store.list({ allVersions: true })) {
    const { name, version } = artifact;
    expected.next.set(name, Math.max(expected.next.get(name) ?? 0, version + 1));
    expected.values.set(artifact.ref, await artifact.value());
    expected.times.set(artifact.ref, artifact.createdAt.getTime());
    expected.latest.set(name, Math.max(expected.latest.get(name) ?? 0, version));
  }
  return expected;
}

/** `Expected` for another process, which makes the values itself. */
export interface ExpectedFile {
  times: [ref: string, time: number][];
  latest: [name: string, version: number][];
  next: [name: string, version: number][];
}

export function writeExpected(path: string, { times, latest, next }: Expected): void {
  const file: ExpectedFile = { times: [...times], latest: [...latest], next: [...next] };
  writeFileSync(path, JSON.stringify(file));
}

export function readExpected({ times, latest, next }: ExpectedFile): Expected {
  const valueOfRef = (ref: string) => {
    const at = ref.lastIndexOf(":");
    return valueFor(ref.slice(0, at), Number(ref.slice(at + 1)));
  };
  const values = new Map(times.map(([ref]) => [ref, valueOfRef(ref)]));
  return { values, times: new Map(times), latest: new Map(latest), next: new Map(next) };
}

/** A home as bytes. */
export interface Material {
  /** By path from the home; neither the index nor the locks. */
  files: Map<string, Buffer>;
  generation: number;
  /** `data.mdb` and the other files of the index. */
  index: Map<string, Buffer>;
  /** Every `data.mdb` of the locks, by path from their folder, as the boot that wrote it knows it. */
  lock: Map<string, Buffer>;
}

/** Takes the bytes of a home that nobody writes to at the moment. */
export function takeMaterial(home: string): Material {
  const files = new Map<string, Buffer>();
  for (const name of readdirSync(join(home, "log")))
    files.set(`log/${name}`, readFileSync(join(home, "log", name)));
  if (existsSync(join(home, "config.json")))
    files.set("config.json", readFileSync(join(home, "config.json")));
  const generation = Math.max(...listGenerations(home));
  const folder = indexFolder(home, generation);
  const index = new Map<string, Buffer>();
  for (const name of readdirSync(folder))
    if (statSync(join(folder, name)).isFile()) index.set(name, readFileSync(join(folder, name)));
  return { files, generation, index, lock: lockFiles(home) };
}

/** `lock.mdb` is made anew by who opens the environment first. */
function lockFiles(home: string): Map<string, Buffer> {
  const folder = lockFolder(home);
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const data = paths.filter((path) => basename(path) === "data.mdb");
  return new Map(data.map((path) => [path, readFileSync(join(folder, path))]));
}

export interface PutOptions {
  /** Whether this boot knows the store: else there is no lock environment. */
  sameBoot: boolean;
  /** Whether the mark is that of the file beside it; default. */
  trusted?: boolean;
  /** Changes the bytes on their way; what is undefined is not written. */
  change?: (path: string, bytes: Buffer) => Buffer | undefined;
}

/** Writes `material` to the new folder `home`, and the mark that makes its index trusted. */
export function putMaterial(home: string, material: Material, options: PutOptions): void {
  const { sameBoot, trusted = true, change } = options;
  const put = (path: string, original: Buffer) => {
    const bytes = change ? change(path, original) : original;
    if (bytes === undefined) return;
    mkdirSync(dirname(join(home, path)), { recursive: true });
    writeFileSync(join(home, path), bytes);
  };
  mkdirSync(join(home, "log"), { recursive: true });
  mkdirSync(join(home, "lock"), { recursive: true });
  for (const [path, bytes] of material.files) put(path, bytes);
  const index = `index-${material.generation}`;
  mkdirSync(join(home, index), { recursive: true });
  for (const [name, bytes] of material.index)
    if (name !== "trust.json" && name !== "lock.mdb") put(`${index}/${name}`, bytes);
  putMark(home, material, put, trusted);
  if (!sameBoot) return;
  const folder = relative(home, lockFolder(home));
  for (const [path, bytes] of material.lock) put(join(folder, path), bytes);
  adoptLocks(join(home, folder));
}

function putMark(
  home: string,
  { generation, index }: Material,
  put: (path: string, bytes: Buffer) => void,
  trusted: boolean,
): void {
  const folder = indexFolder(home, generation);
  const known = index.get("trust.json");
  if (!known) return;
  const mark = JSON.parse(known.toString());
  if (trusted && existsSync(join(folder, "data.mdb")))
    Object.assign(mark, { bootId: currentBootId(), ...placeOf(folder) });
  put(`index-${generation}/trust.json`, Buffer.from(`${JSON.stringify(mark)}\n`));
}

export function removeHome(home: string): void {
  rmSync(home, { recursive: true, force: true });
}
