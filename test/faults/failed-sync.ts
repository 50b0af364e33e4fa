import type { Fault } from "./fault.ts";

/** Of what comes after a sync that failed. */
export const failedSyncFaults: Fault[] = [
  {
    name: "writing goes on after a failed procedure",
    file: "engine/failed-sync.ts",
    text: '      if (failure.code === "IO") this.#failure = failure;\n',
    replacement: "",
    tests: ["engine/written-again.test.ts"],
  },
  {
    name: "a sync is trusted while another's failure is marked",
    file: "engine/log-end.ts",
    text: "    if (state.syncFailed) return this.#failedSync.recover();\n",
    replacement: "",
    tests: ["engine/failed-sync.test.ts"],
  },
  {
    name: "a number given again passes for the lost batch",
    file: "engine/failed-sync.ts",
    text: 'sequence <= this.#kept.sequence ? "durable" : "lost"',
    replacement: 'sequence <= this.#kept.sequence ? "durable" : "durable"',
    tests: ["engine/written-again.test.ts"],
  },
  {
    name: "what is written again is not synced",
    file: "engine/log/segment.ts",
    text: "    file.sync();\n",
    replacement: "",
    tests: ["engine/written-again.test.ts"],
  },
  {
    name: "the name of an adopted segment is not synced",
    file: "engine/maintenance/catch-up.ts",
    text: "if (replayed.position.segment !== state.tail.segment) syncNames(files, folder);",
    replacement: "",
    tests: ["engine/new-segment.test.ts"],
  },
  {
    name: "a name whose sync failed is relied on",
    file: "engine/log/segment.ts",
    text: "    throw syncFailure(error);\n",
    replacement: "    throw error;\n",
    tests: ["engine/new-segment.test.ts"],
  },
  {
    name: "a segment is ended while a sync of it may fail",
    file: "engine/log-end.ts",
    text: '    if (this.#writer.isUnsettled && this.#mustRoll(state)) return "syncing";\n',
    replacement: "",
    tests: ["engine/new-segment.test.ts"],
  },
  {
    name: "the index is not turned to what was written again",
    file: "engine/maintenance/write-again.ts",
    text: "catalog.apply(change, sequence, time);",
    replacement: "change.place.segment;",
    tests: ["engine/written-again.test.ts"],
  },
  {
    name: "of several who began to write again only the last one's cut counts",
    file: "engine/maintenance/write-again.ts",
    text: "const next = ids.find((each) => each > id);",
    replacement: "const next = ids.at(-1) === id ? undefined : ids.at(-1);",
    tests: ["engine/written-again.test.ts"],
  },
  {
    name: "closing is silent about buffered saves not on the disk",
    file: "engine/durability.ts",
    text: "    if (owed) await this.reach(owed);\n",
    replacement: "",
    tests: ["engine/written-again.test.ts"],
  },
  {
    name: "another one's good sync outweighs a failed one",
    file: "engine/failed-sync.ts",
    text: "return previousNumber === segment && previousSequence >= sequence;",
    replacement: "return previousNumber < 0 && previousSequence < sequence;",
    tests: ["engine/failed-sync.test.ts"],
  },
];
