/**
 * Opens a store and compacts it, and dies at the moment that it is told: before or behind a call of the disk, a
 * transaction of the index, or a step under the lock. Without a moment it says how many there were. With `waits` it opens
 * a list first, and says so; on a line of its input it goes on with it.
 */
import { createInterface } from "node:readline";
import { Catalog } from "../../engine/index/catalog.ts";
import { LockEnvironment } from "../../engine/index/lock.ts";
import { MomentFiles, openSmall } from "./compact-support.ts";

const [home, what] = process.argv.slice(2) as [string, string];
const say = (document: unknown) => console.log(JSON.stringify(document));
const files = new MomentFiles();
const store = await openSmall(home, { files });

function watch(prototype: object, name: string, at: (call: string) => void): void {
  const methods = prototype as Record<string, (action: () => unknown) => unknown>;
  const method = methods[name]!;
  methods[name] = function (action) {
    return method.call(this, () => {
      at(`${name}: had`);
      const result = action();
      at(`${name}: before its commit`);
      return result;
    });
  };
}

async function compact(): Promise<void> {
  const moment = Number(what);
  const calls: string[] = [];
  const at = (call: string) => {
    calls.push(call);
    if (calls.length === moment) process.kill(process.pid, "SIGKILL");
  };
  files.onMoment = (_, call) => at(call);
  watch(Catalog.prototype, "transact", at);
  watch(LockEnvironment.prototype, "hold", at);
  const report = await store.compact();
  files.onMoment = undefined;
  say({ report, calls });
  await store.close();
}

/** A list in the middle of which the log is compacted, and values that were listed before and loaded later. */
async function read(): Promise<void> {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const values: Record<string, unknown> = {};
  const listed = store.list({ allVersions: true });
  for await (const artifact of listed) {
    if (Object.keys(values).length === 0) {
      say({ open: true });
      await lines.next();
    }
    values[artifact.ref] = await artifact.value();
  }
  say({ values });
  await lines.next();
  for (const ref of Object.keys(values)) values[ref] = await store.load(ref);
  say({ values });
  await store.close();
  process.exit(0);
}

if (what === "waits") await read();
else await compact();
