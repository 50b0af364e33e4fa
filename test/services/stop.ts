/** Ends the servers that `start.ts` has started, and removes what they kept. */
import { readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { RUNNING } from "./services.ts";

const folder = process.env[RUNNING];
if (!folder || !basename(folder).startsWith("varve-services-"))
  throw new Error(`${RUNNING} does not say where they are`);
for (const pid of readFileSync(join(folder, "pids"), "utf8").split("\n")) {
  try {
    process.kill(-Number(pid), "SIGKILL");
  } catch {}
}
rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
