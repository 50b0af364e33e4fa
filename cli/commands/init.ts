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

/** False if the file is there already: it is kept. */
async function makeConfigFile(home: string): Promise<boolean> {
  try {
    await mkdir(home, { recursive: true, mode: 0o700 });
    await writeFile(join(home, "config.json"), "{}\n", { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST" && (await exists(join(home, "config.json"))))
      return false;
    throw systemError(error, `making ${home}`);
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
    const wasConfigured = !(await makeConfigFile(home));
    const id = await withStore({ ...context, home }, "create", async (store) => store.id);
    if (context.json) await context.output.document({ home, id, created: !wasConfigured });
    else
      await context.output.line(
        `${wasConfigured ? "there is already a store in" : "made a store in"} ${printable(home)}`,
      );
    return undefined;
  },
});
