import type { Fault } from "./fault.ts";

const WRITER = "engine/large/pinned-writer.ts";
const KILL = "crash/kill.test.ts";
const POWER_CUT = "crash/power-cut.test.ts";

/** Of large values and directories in what a kill or a power cut leaves. */
export const crashPartsFaults: Fault[] = [
  {
    name: "the last commit of a large value is acknowledged before it is on the disk",
    file: WRITER,
    text: "      durable: this.#settings.durable,\n      undoable: true,\n    });\n    await this.#unpin();\n",
    replacement: "      durable: false,\n      undoable: true,\n    });\n    await this.#unpin();\n",
    tests: [POWER_CUT],
  },
  {
    name: "pins keep only the first of what was written with them",
    file: WRITER,
    text: "this.#pins.of(notNamed(group, held));",
    replacement: "this.#pins.of(notNamed(group, held).slice(0, 1));",
    tests: ["large/lifetime.test.ts", POWER_CUT],
  },
  {
    name: "the pins of a killed process are looked for by nobody",
    file: "engine/large/sweep.ts",
    text: "  await core.reading(() => removeStalePins(core));\n",
    replacement: "  void removeStalePins;\n",
    tests: [KILL],
  },
  {
    name: "a node is put once more though it is there",
    file: "engine/large/part.ts",
    text: "  if (transaction.row(nodeKey(digest))) return;\n",
    replacement: "",
    tests: [POWER_CUT],
  },
];
