/** Saves folders as a user who is not root, and prints what was refused. */
import { join } from "node:path";
import type { VarveError } from "../../engine/errors.ts";
import { capture, entriesOf } from "./support.ts";

const NOBODY = 65_534;

async function refusal(root: string): Promise<unknown> {
  try {
    await capture(root);
    return "saved";
  } catch (error) {
    const { code, details, hint, stack } = error as VarveError;
    return code === undefined ? stack : { code, path: details?.path, hint };
  }
}

async function run(folder: string): Promise<unknown> {
  if (process.getuid?.() !== 0) return { skipped: "only root can become another user" };
  process.setgroups?.([NOBODY]);
  process.setgid?.(NOBODY);
  process.setuid?.(NOBODY);
  const closed = join(folder, "folder");
  return {
    file: await refusal(join(folder, "file")),
    folder: await refusal(closed),
    without: await entriesOf((await capture(closed, { ignore: ["closed"] })).directory),
  };
}

console.log(JSON.stringify(await run(process.argv[2]!)));
