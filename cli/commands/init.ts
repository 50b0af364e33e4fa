import { access, mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Context, withStore } from "../context.ts";
import { systemError, usageError } from "../errors.ts";
import { printable } from "../printable.ts";
import { defineVerb } from "../verb.ts";

/** `--home` and VARVE_HOME name the home itself, so that the command that they made fail works after `varve init`. */
function homeFor(folder: string | undefined, context: Context): string {
  const { cwd, env } = context.io;
  if (folder !== undefined && context.home !== undefined)
    throw usageError("[dir] and --home exclude each other");
  if (folder !== undefined) return resolve(cwd, folder, ".varve");
  return resolve(cwd, context.home ?? (env.VARVE_HOME || ".varve"));
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** One that is there is kept. */
async function makeConfigFile(home: string): Promise<void> {
  try {
    await mkdir(home, { recursive: true, mode: 0o700 });
    await writeFile(join(home, "config.json"), "{}\n", { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST" && (await exists(join(home, "config.json"))))
      return;
    throw systemError(error, `making ${home}`);
  }
}

/** A configuration says nothing of it: that may have been written for a store that is to be made. */
async function makeStore(context: Context): Promise<{ id: string; created: boolean }> {
  try {
    return { id: await withStore(context, "change", async (store) => store.id), created: false };
  } catch (error) {
    if ((error as { code?: string }).code !== "NOT_FOUND") throw error;
    return { id: await withStore(context, "create", async (store) => store.id), created: true };
  }
}

export default defineVerb({
  name: "init",
  optional: ["dir"],
  about:
    "Makes dir/.varve with its configuration file (dir: the current folder). A store that is there stays as it is.",
  examples: [
    ["varve init", "a store in ./.varve"],
    ["varve --home /data/store init", "a store in a folder of another name"],
  ],
  async run({ given }, context) {
    const home = homeFor(given.dir, context);
    await makeConfigFile(home);
    const { id, created } = await makeStore({ ...context, home });
    if (context.json) await context.output.document({ home, id, created });
    else
      await context.output.line(
        `${created ? "made a store in" : "there is already a store in"} ${printable(home)}`,
      );
    return undefined;
  },
});
