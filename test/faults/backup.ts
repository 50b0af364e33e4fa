import type { Fault } from "./fault.ts";

const CLAIM = "engine/maintenance/backup/claim.ts";
const COPY = "engine/maintenance/backup/copy.ts";
const ENDS = "engine/maintenance/backup/ends.ts";
const FOLDER = "engine/maintenance/backup/folder.ts";
const PLAN = "engine/maintenance/backup/plan.ts";
const WRITER = "engine/maintenance/backup/writer.ts";
const CORE = "engine/backup-core.ts";

/** Of backups. */
export const backupFaults: Fault[] = [
  {
    name: "files of a backup get their names one by one, without a promise",
    file: CLAIM,
    text: "    this.#files.replace(path, join(this.#folder, CLAIM_FILE));\n    this.#files.syncFolder(this.#folder);\n",
    replacement: "    this.#files.remove(path);\n",
    tests: ["store/backup-interrupted.test.ts", "store/backup-power-cut.test.ts"],
  },
  {
    name: "what a backup promised is not on the disk before it gives names",
    file: CLAIM,
    text: "    this.#files.replace(path, join(this.#folder, CLAIM_FILE));\n    this.#files.syncFolder(this.#folder);\n",
    replacement: "    this.#files.replace(path, join(this.#folder, CLAIM_FILE));\n",
    tests: ["store/backup-power-cut.test.ts"],
  },
  {
    name: "who opens an interrupted backup does not finish it",
    file: "engine/open.ts",
    text: "if (hasLog) finishBackupIn(files, folder, options);",
    replacement: "void finishBackupIn;",
    tests: ["store/backup-interrupted.test.ts"],
  },
  {
    name: "names are given that are no names of segments",
    file: CLAIM,
    text: "if (!PREPARED_NAME.test(from) || segmentOfName(to) === undefined) continue;",
    replacement: "if (!from.endsWith(to)) void segmentOfName;",
    tests: ["store/backup-interrupted.test.ts"],
  },
  {
    name: "a claim of a process that is gone is believed",
    file: CLAIM,
    text: "if (processStart(pid) !== start) return true;",
    replacement: "if (processStart(pid) === undefined) return true;",
    tests: ["store/backup-interrupted.test.ts"],
  },
  {
    name: "two backups write to one folder at once",
    file: CLAIM,
    text: "if (tries === TRIES_MAX || (found && !isGone(found))) throw claimed(folder, found);",
    replacement: "if (tries === TRIES_MAX) throw claimed(folder, found);",
    tests: [
      "store/backup.test.ts",
      "store/backup-compacted.test.ts",
      "store/backup-damage.test.ts",
      "store/backup-refused.test.ts",
    ],
  },
  {
    name: "copies of a backup are not synced",
    file: COPY,
    text: "      await target.syncAsync();\n",
    replacement: "",
    tests: ["store/backup-power-cut.test.ts"],
  },
  {
    name: "the end of a backup is not compared with the store",
    file: ENDS,
    text: "if (!(await isIn(ours, own.ids, theirs, end, pace))) throw",
    replacement: "if (!(await isIn(ours, own.ids, theirs, end, pace)) && pace.isOver()) throw",
    tests: [
      "store/backup.test.ts",
      "store/backup-compacted.test.ts",
      "store/backup-damage.test.ts",
      "store/backup-refused.test.ts",
    ],
  },
  {
    name: "the times of a backup and a compacted store are not compared",
    file: ENDS,
    text: "own.value.header.time !== header.time) return false;",
    replacement: "own.value.header.time < 0) return false;",
    tests: [
      "store/backup.test.ts",
      "store/backup-compacted.test.ts",
      "store/backup-damage.test.ts",
      "store/backup-refused.test.ts",
    ],
  },
  {
    name: "segments of one number that homes made apart are taken for one",
    file: ENDS,
    text: "if (other && other.salt !== header.salt) throw",
    replacement: "if (other && other.salt === 0n) throw",
    tests: [
      "store/backup.test.ts",
      "store/backup-compacted.test.ts",
      "store/backup-damage.test.ts",
      "store/backup-refused.test.ts",
    ],
  },
  {
    name: "a rewritten segment is not read before others go for it",
    file: PLAN,
    text: "if (!isKept && replacesOthers(log, id, there))",
    replacement: "if (!isKept && replacesOthers(log, id, []))",
    tests: [
      "store/backup.test.ts",
      "store/backup-compacted.test.ts",
      "store/backup-damage.test.ts",
      "store/backup-refused.test.ts",
    ],
  },
  {
    name: "a store that lost bytes takes them from its backup",
    file: PLAN,
    text: "(isSealed ? size >= bytes : size === bytes)",
    replacement: "size === bytes",
    tests: [
      "store/backup.test.ts",
      "store/backup-compacted.test.ts",
      "store/backup-damage.test.ts",
      "store/backup-refused.test.ts",
    ],
  },
  {
    name: "the newest segment is linked",
    file: PLAN,
    text: "const isSealed = id !== tail.segment || segmentGeneration(id) > 0;",
    replacement: "const isSealed = id > 0 || segmentGeneration(id) > 0;",
    tests: [
      "store/backup.test.ts",
      "store/backup-compacted.test.ts",
      "store/backup-damage.test.ts",
      "store/backup-refused.test.ts",
    ],
  },
  {
    name: "a backup takes what is not on the disk",
    file: PLAN,
    text: "    await log.settle(tail);\n",
    replacement: "",
    tests: [
      "store/backup.test.ts",
      "store/backup-compacted.test.ts",
      "store/backup-damage.test.ts",
      "store/backup-refused.test.ts",
    ],
  },
  {
    name: "the folder is read behind the end of the log",
    file: PLAN,
    text: "    const { segment } = log.state().tail;\n    const ids = listSegments(files, folder, identity);\n    const { tail } = log.state();\n",
    replacement:
      "    const { tail } = log.state();\n    const { segment } = tail;\n    await new Promise((resolve) => setTimeout(resolve, 500));\n    const ids = listSegments(files, folder, identity);\n",
    tests: ["store/backup-live.test.ts"],
  },
  {
    name: "a backup does not keep files of the log in their places",
    file: CORE,
    text: "const release = parts.holdEpoch();",
    replacement: "const release = () => {};",
    tests: [
      "store/backup.test.ts",
      "store/backup-compacted.test.ts",
      "store/backup-damage.test.ts",
      "store/backup-refused.test.ts",
    ],
  },
  {
    name: "a file that went under a backup fails it",
    file: WRITER,
    text: "if (hasGone(this.#files, from, error)) return false;",
    replacement: "void hasGone;",
    tests: [
      "store/backup.test.ts",
      "store/backup-compacted.test.ts",
      "store/backup-damage.test.ts",
      "store/backup-refused.test.ts",
    ],
  },
  {
    name: "what was linked stays so in a copy",
    file: PLAN,
    text: "isSealed && !copy",
    replacement: "isSealed",
    tests: [
      "store/backup.test.ts",
      "store/backup-compacted.test.ts",
      "store/backup-damage.test.ts",
      "store/backup-refused.test.ts",
    ],
  },
  {
    name: "locks and index of a backup that was used stay",
    file: CORE,
    text: "if (Object.keys(names).length > 0) removeTracesOfUse(this.#folder);",
    replacement: "void removeTracesOfUse;",
    tests: [
      "store/backup.test.ts",
      "store/backup-compacted.test.ts",
      "store/backup-damage.test.ts",
      "store/backup-refused.test.ts",
    ],
  },
  {
    name: "a backup is taken away under who has it open",
    file: FOLDER,
    text: "if (pid !== undefined) {",
    replacement: "if (pid === 0) {",
    tests: [
      "store/backup.test.ts",
      "store/backup-compacted.test.ts",
      "store/backup-damage.test.ts",
      "store/backup-refused.test.ts",
    ],
  },
  {
    name: "another store is backed up over",
    file: FOLDER,
    text: "if (readHeaderOf(files, log, id).storeId === storeId) return;",
    replacement: "if (readHeaderOf(files, log, id).storeId !== undefined || storeId) return;",
    tests: [
      "store/backup.test.ts",
      "store/backup-compacted.test.ts",
      "store/backup-damage.test.ts",
      "store/backup-refused.test.ts",
    ],
  },
  {
    name: "somebody's folder of logs is taken for a backup",
    file: FOLDER,
    text: "const isBegun = files.list(log).every(isTemporary);",
    replacement: "const isBegun = files.list(log).every(isTemporary) || true;",
    tests: [
      "store/backup.test.ts",
      "store/backup-compacted.test.ts",
      "store/backup-damage.test.ts",
      "store/backup-refused.test.ts",
    ],
  },
  {
    name: "a reader of a backup keeps the files that were replaced",
    file: "engine/maintenance/private-index.ts",
    text: "    this.#reader.forget();\n    this.#state = { ...this.#state, logEpoch: this.#state.logEpoch + 1 };\n",
    replacement: "",
    tests: [
      "store/backup.test.ts",
      "store/backup-compacted.test.ts",
      "store/backup-damage.test.ts",
      "store/backup-refused.test.ts",
    ],
  },
];
