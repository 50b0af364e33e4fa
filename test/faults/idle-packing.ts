import type { Fault } from "./fault.ts";

const I = "engine/idle-packing.ts";
const P = "engine/maintenance/pack.ts";
const moment = ["engine/idle-packing-moment.test.ts"];
const packing = ["engine/idle-packing.test.ts"];
const end = ["engine/idle-packing-end.test.ts"];

/** Of packing the index by itself. */
export const idlePackingFaults: Fault[] = [
  {
    name: "an index is packed by itself while others write",
    file: I,
    text: "const isQuiet = sequence === this.#seen &&",
    replacement: "const isQuiet = sequence >= 0 &&",
    tests: moment,
  },
  {
    name: "an index is packed by itself while writers wait for the disk",
    file: I,
    text: " && !this.#parts.isSyncing();",
    replacement: ";",
    tests: packing,
  },
  {
    name: "writers that come back do not end the packing",
    file: I,
    text: "      if (sequence !== undefined && sequence > begun + BATCHES_MAX) ending.abort();\n",
    replacement: "      if (sequence === begun - 1) ending.abort();\n",
    tests: moment,
  },
  {
    name: "writers that come back are waited for as long as before",
    file: I,
    text: "isDone ? 1 : Math.min(LOOKS_MAX, 2 * this.#looksNeeded);",
    replacement: "isDone ? 1 : 1;",
    tests: moment,
  },
  {
    name: "who only reads packs the index",
    file: I,
    text: "if (this.#running || written === this.#begunBehind) return;",
    replacement: "if (this.#running) return;",
    tests: packing,
  },
  {
    name: "an index is packed by itself again and again",
    file: I,
    text: " || size.entries < growth * catalog.packedEntries()",
    replacement: "",
    tests: packing,
  },
  {
    name: "nobody learns when an index was packed",
    file: P,
    text: "    this.#packed.notePacked();\n",
    replacement: "",
    tests: packing,
  },
  {
    name: "a small index is packed by itself",
    file: I,
    text: "size.fileBytes < bytesMin || ",
    replacement: "",
    tests: packing,
  },
  {
    name: "packing by itself takes the room of the writers",
    file: P,
    text: "> 2 * size.bytes + keptFree",
    replacement: "> 2 * size.bytes",
    tests: packing,
  },
  {
    name: "a compaction goes on beside the packing of its own process",
    file: "engine/upkeep.ts",
    text: "      if (!options.dryRun) await this.#idlePacking.giveWay();\n",
    replacement: "",
    tests: end,
  },
  {
    name: "a compaction is refused while another process packs by itself",
    file: "engine/maintenance/compact/parts.ts",
    text: "parts.lock.takeCompactor(yields)",
    replacement: "parts.lock.takeCompactor()",
    tests: end,
  },
  {
    name: "who packs takes the lease from who packs",
    file: "engine/index/lease.ts",
    text: "(yields || !holder.yields)",
    replacement: "!holder.yields",
    tests: ["index/lease.test.ts"],
  },
  {
    name: "closing does not end the packing",
    file: "engine/engine.ts",
    text: "    await this.#upkeep.stop();\n",
    replacement: "",
    tests: end,
  },
  {
    name: "closing waits until the lease can be given back",
    file: "engine/maintenance/compact/parts.ts",
    text: "    if (!this.#yields) return lock.hold(release).catch(() => {});\n",
    replacement: "    if (this.#lease) return lock.hold(release).catch(() => {});\n",
    tests: end,
  },
  {
    name: "who closes a store that packs has the process end",
    file: I,
    text: "    const waiting = setInterval(() => {}, WRITERS_LOOK_MILLISECONDS);\n    await this.#running;\n    clearInterval(waiting);\n",
    replacement: "    await this.#running;\n",
    tests: end,
  },
  {
    name: "packing by itself keeps a process running",
    file: I,
    text: "new Courtesy(forgettableLoop)",
    replacement: "new Courtesy()",
    tests: end,
  },
  {
    name: "a failure to pack is not told",
    file: I,
    text: '      this.#parts.settings.onTrouble("the index could not be packed", error);\n',
    replacement: "",
    tests: packing,
  },
  {
    name: "an index that was removed meanwhile is trouble",
    file: "engine/index/filled-part.ts",
    text: '    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 1;\n',
    replacement: "",
    tests: packing,
  },
  {
    name: "pages are guessed to be full",
    file: "engine/index/filled-part.ts",
    text: "filled += 1 - (page.short(22) - page.short(20)) / (pageBytes - PAGE_HEADER_BYTES);",
    replacement: "filled += 1;",
    tests: packing,
  },
];
