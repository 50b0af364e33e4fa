/**
 * Reads homes, one after another as its input says, when all who used them are gone: what is in them, whether that is
 * whole, whether it comes from the log alone, what can be undeleted, and what is left of dead bytes and old files after a
 * last compaction.
 */
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { ArtifactStore } from "../../engine/api.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { listSegments, listSuperseded } from "../../engine/log/segment.ts";
import { openStore, type VarveError } from "../../engine/main.ts";
import { openOverSeams } from "../helpers/seam-store.ts";
import type { Contents, Findings, Given, Operation } from "./space-events.ts";
import { listed } from "./space-member.ts";

/** A line of the input; the answer is `Findings`. */
export interface SpaceCheckRequest {
  home: string;
  /** Folders of backups, which may not be there. */
  backups: string[];
  seed: number;
  segmentBytesMax: number;
}

const now = () => Number(process.hrtime.bigint() / 1000n);

class Check {
  readonly #request: SpaceCheckRequest;
  readonly #violations: string[] = [];
  readonly #undeletes: Operation[] = [];

  constructor(request: SpaceCheckRequest) {
    this.#request = request;
  }

  async run(): Promise<Findings> {
    const { home, seed } = this.#request;
    const from = now();
    const first = await this.#open();
    const contents = await contentsOf(first);
    await this.#verify(first, "in the end");
    const backups = await this.#backups();
    if (seed % 2 === 0) await this.#undeleteAll(first, contents);
    await this.#same(first, "a rebuild", () => first.rebuildIndex());
    await this.#compact(first);
    await first.close();
    if (seed % 3 === 0) {
      // As after a reboot that left nothing but the log.
      for (const name of readdirSync(home))
        if (name.startsWith("index-") || name === "lock")
          rmSync(join(home, name), { recursive: true, force: true });
      const again = await this.#open();
      await this.#verify(again, "from the log alone");
      await again.close();
    }
    return { from, contents, undeletes: this.#undeletes, backups, violations: this.#violations };
  }

  /** Nothing changes by `action`, but that deleted versions may be forgotten. */
  async #same(
    store: ArtifactStore,
    what: string,
    action: () => Promise<unknown>,
    forgets = false,
  ): Promise<void> {
    const before = linesOf(await contentsOf(store));
    await action();
    const after = linesOf(await contentsOf(store));
    const gone = before.filter((line) => !after.includes(line) && !(forgets && line.startsWith("deleted ")));
    const added = after.filter((line) => !before.includes(line));
    if (gone.length + added.length > 0) this.#told(`${what} takes away ${gone}, and adds ${added}`);
    await this.#verify(store, `behind ${what}`);
  }

  async #undeleteAll(store: ArtifactStore, { deleted }: Contents): Promise<void> {
    for (const ref of deleted) {
      const colon = ref.lastIndexOf(":");
      const [name, version] = [ref.slice(0, colon), Number(ref.slice(colon + 1))];
      const call = { call: "undelete" as const, name, version };
      const from = now();
      const result = await store.undelete(ref).then(
        async () => ({ given: [await listed(await store.get(ref))] }),
        ({ code, message }: VarveError) => ({ error: { code, message } }),
      );
      this.#undeletes.push({ who: "the last one", call, from, to: now(), result });
    }
  }

  /** By a process that is alone, every dead byte goes, and every old file. */
  async #compact(store: ArtifactStore): Promise<void> {
    const { home, seed } = this.#request;
    const { sequence } = await store.stats();
    const history = seed % 5 === 0 ? { historyBefore: sequence } : {};
    const plan = await store.compact({ ...history, dryRun: true });
    const forgets = "historyBefore" in history;
    await this.#same(
      store,
      "a compaction",
      () => this.#compactOnce(store, history, plan.freedBytes),
      forgets,
    );
    const { deadBlobBytes } = await store.stats();
    if (deadBlobBytes > 0) this.#told(`${deadBlobBytes} bytes are dead behind a compaction`);
    const folder = join(home, "log");
    const old = listSuperseded(nodeFileSystem, folder);
    if (old.length > 0) this.#told(`old segments are left: ${old}`);
    const inEffect = listSegments(nodeFileSystem, folder);
    const files = segmentFiles(folder);
    if (files.length !== inEffect.length) this.#told(`files that are no segments are left: ${files}`);
    await this.#same(store, "a rebuild behind the compaction", () => store.rebuildIndex());
  }

  async #compactOnce(store: ArtifactStore, options: object, planned: number): Promise<void> {
    const folder = join(this.#request.home, "log");
    const report = await store.compact(options);
    if (report.waitingBytes > 0) this.#told(`${report.waitingBytes} bytes wait though nobody else is there`);
    // A second copy of a blob, as is written while the first one is about to be dropped, goes beside what was planned.
    if (report.freedBytes < planned) this.#told(`planned were ${planned} bytes, freed ${report.freedBytes}`);
    const bytes = segmentFiles(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    if (report.logBytesAfter !== bytes)
      this.#told(`the log takes ${bytes} bytes, not ${report.logBytesAfter}`);
    if (report.skipped.length > 0) this.#told(`skipped: ${report.skipped.map(({ message }) => message)}`);
  }

  async #backups(): Promise<Findings["backups"]> {
    const found: Findings["backups"] = [];
    for (const folder of this.#request.backups) {
      if (!existsSync(join(folder, "log"))) continue;
      try {
        const store = await openStore({ home: folder, readOnly: true, environment: false });
        found.push({ folder, contents: await contentsOf(store) });
        await this.#verify(store, `in the backup ${folder}`);
        await store.close();
      } catch (error) {
        found.push({ folder, failed: String((error as Error).stack) });
      }
    }
    return found;
  }

  async #verify(store: ArtifactStore, when: string): Promise<void> {
    const { ok, problems } = await store.verify({ full: true });
    if (!ok) this.#told(`verify ${when}: ${problems.map(({ message }) => message).join("; ")}`);
  }

  #open(): Promise<ArtifactStore> {
    const { home, segmentBytesMax } = this.#request;
    const warn = (message: string) => this.#told(`warned: ${message}`);
    const logger = { debug() {}, info() {}, warn, error: warn };
    return openOverSeams(home, {
      segmentBytesMax,
      minFreeSpace: 0,
      lockWaitMax: 60_000,
      logger,
      times: { look: 10 },
    });
  }

  #told(violation: string): void {
    this.#violations.push(violation);
  }
}

async function contentsOf(store: ArtifactStore): Promise<Contents> {
  const live: Given[] = [];
  for await (const artifact of store.list({ allVersions: true })) live.push(await listed(artifact));
  const deleted: string[] = [];
  for await (const { ref } of store.list({ allVersions: true, deleted: true })) deleted.push(ref);
  return { live, deleted };
}

/** But for what a process left that was killed at a roll: a header, or a second name of a segment. */
function segmentFiles(folder: string): string[] {
  const isBegun = (name: string) => {
    const { size, nlink } = statSync(join(folder, name));
    return name.endsWith(".tmp") && (size <= 128 || nlink > 1);
  };
  return readdirSync(folder).filter((name) => !isBegun(name));
}

function linesOf({ live, deleted }: Contents): string[] {
  return [...live.map((given) => JSON.stringify(given)), ...deleted.map((ref) => `deleted ${ref}`)];
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as SpaceCheckRequest;
  const answer = await new Check(request)
    .run()
    .catch((error: Error) => ({ failed: error.stack ?? String(error) }));
  console.log(JSON.stringify(answer));
}
