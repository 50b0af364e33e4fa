import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

const PACKAGES_MAX = 1_000;
const PACKAGE_NAME = /^(?:@[^/\\]+\/)?[^/\\]+$/;

/** The installed versions of what the nearest `package.json` at or above `folder` names, development included. */
export async function readPackages(folder: string): Promise<Record<string, string> | undefined> {
  const found = await nearestManifest(resolve(folder));
  if (!found) return undefined;
  const names = dependenciesOf(found.manifest).slice(0, PACKAGES_MAX);
  const versions = await Promise.all(names.map((name) => installedVersion(found.folder, name)));
  const installed = names.map((name, i) => [name, versions[i]] as const).filter(([, version]) => version);
  return Object.fromEntries(installed) as Record<string, string>;
}

type Manifest = Record<string, unknown>;

async function nearestManifest(folder: string): Promise<{ folder: string; manifest: Manifest } | undefined> {
  for (let at = folder; ; at = dirname(at)) {
    const manifest = await readManifest(at);
    if (manifest) return { folder: at, manifest };
    if (dirname(at) === at) return undefined;
  }
}

function dependenciesOf(manifest: Manifest): string[] {
  const fields = [manifest.dependencies, manifest.optionalDependencies, manifest.devDependencies];
  const names = fields.flatMap((field) =>
    typeof field === "object" && field !== null ? Object.keys(field) : [],
  );
  return [...new Set(names)].filter((name) => PACKAGE_NAME.test(name) && !/^\.{1,2}$/.test(name)).sort();
}

/** As Node finds it: in the `node_modules` of the folder or of one above. */
async function installedVersion(folder: string, name: string): Promise<string | undefined> {
  for (let at = folder; ; at = dirname(at)) {
    const version = (await readManifest(join(at, "node_modules", name)))?.version;
    if (typeof version === "string" && version.isWellFormed()) return version;
    if (dirname(at) === at) return undefined;
  }
}

async function readManifest(folder: string): Promise<Manifest | undefined> {
  try {
    const manifest: unknown = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    return typeof manifest === "object" && manifest !== null ? (manifest as Manifest) : undefined;
  } catch {
    return undefined;
  }
}
