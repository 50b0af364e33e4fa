/** Repairs a home from a backup, and ends itself at the call of the seam to the disk that it is told. */
import type { FileSystem } from "../../engine/log/file.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { openOverSeams } from "../helpers/seam-store.ts";

const [home, backup, last] = process.argv.slice(2) as [string, string, string];
let left = Number.POSITIVE_INFINITY;

/** After the call, or in the middle of an append. */
function step(): void {
  if (--left === 0) process.kill(process.pid, "SIGKILL");
}

function stepping<T extends object>(calls: T, names: readonly string[]): T {
  return new Proxy(calls, {
    get(target, name) {
      const call = Reflect.get(target, name) as (...values: unknown[]) => unknown;
      if (typeof call !== "function") return call;
      return (...values: unknown[]) => {
        const result = call.apply(target, values);
        if (names.includes(String(name))) step();
        return name === "open" ? stepping(result as object, ["append", "sync", "syncAsync"]) : result;
      };
    },
  });
}

const changing = ["writeOver", "publish", "link", "replace", "remove", "makeFolder", "syncFolder"];
const files: FileSystem = stepping(nodeFileSystem, changing);
const store = await openOverSeams(home, { files });
left = Number(last);
const { ok } = await store.repair({ from: backup });
// What is left of the count tells how many calls there were.
console.log(JSON.stringify({ ok, calls: Number(last) - left }));
left = Number.POSITIVE_INFINITY;
await store.close();
