import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { suite } from "uvu";
import type { ConfigSources } from "../../engine/config.ts";

export interface Folders {
  folder: string;
  home: string;
  sources: ConfigSources & { env: Record<string, string>; cwd: string };
}

/** Gives each test a home of its own, and an environment in which nothing is set. */
export function withFolders(test: ReturnType<typeof suite<Folders>>): void {
  test.before.each((context) => {
    context.folder = mkdtempSync(join(tmpdir(), "varve-config-"));
    context.home = join(context.folder, ".varve");
    mkdirSync(context.home);
    context.sources = { env: { HOME: join(context.folder, "user") }, cwd: context.folder };
  });
  test.after.each(({ folder }) => rmSync(folder, { recursive: true }));
}
