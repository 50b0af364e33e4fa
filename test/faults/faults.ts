/** Seeded faults: each takes away something that a promise of the store rests on, and the tests named must notice. */
export interface Fault {
  name: string;
  file: string;
  /** Stands exactly once in the file. */
  text: string;
  replacement: string;
  /** Files of tests, from `test/`; the first that fails ends the run. */
  tests: string[];
}

export const faults: Fault[] = [
  {
    name: "a durable save is acknowledged before its sync",
    file: "engine/commit.ts",
    text: "items.some((item) => item.work.durable) &&",
    replacement: "items.length < 0 &&",
    tests: ["engine/commit.test.ts"],
  },
  {
    name: "the log is not synced at all",
    file: "engine/log-end.ts",
    text: "    await this.#writer.syncAsync();\n",
    replacement: "",
    tests: ["engine/commit.test.ts"],
  },
  {
    name: "readers are given what is not on the disk yet",
    file: "engine/engine.ts",
    text: "return row.sequence <= this.#view.durableSequence ? undefined : this.#settleSlow(row);",
    replacement: "return row.sequence < 0 ? this.#settleSlow(row) : undefined;",
    tests: ["engine/commit.test.ts"],
  },
  {
    name: "checksums of payloads are not checked when read",
    file: "engine/log/reader.ts",
    text: "checksum(payload, salt) !== header.payloadChecksum",
    replacement: "salt < 0n",
    tests: ["store/damage.test.ts"],
  },
  {
    name: "the key of a record is not compared when read",
    file: "engine/log/reader.ts",
    text: "bytes.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + header.keyLength).equals(key)",
    replacement: "key.length >= 0",
    tests: ["log/reader.test.ts", "store/damage.test.ts"],
  },
  {
    name: "the chain of batches is not followed",
    file: "engine/log/scan.ts",
    text: "return header.previousChain === position.chain && header.sequence === position.sequence + 1;",
    replacement: "return header.sequence === position.sequence + 1;",
    tests: ["log/scan.test.ts"],
  },
  {
    name: "a successor does not cut",
    file: "engine/log/scan.ts",
    text: "return header.previousNumber === numbers[i] ? header.previousEnd : Number.POSITIVE_INFINITY;",
    replacement: "return Number.POSITIVE_INFINITY;",
    tests: ["log/scan.test.ts"],
  },
  {
    name: "only the next batch is asked what was durable",
    file: "engine/log/scan.ts",
    text: "batch = findBatch(window, segment, batch.end.offset, batch.end.sequence)",
    replacement: "batch = undefined",
    tests: ["log/scan.test.ts"],
  },
  {
    name: "batches say what was durable too late",
    file: "engine/commit.ts",
    text: "Math.max(state.durableSequence, this.#end.durableSequence),",
    replacement: "state.durableSequence,",
    tests: ["store/damage.test.ts"],
  },
  {
    name: "commits take no lock",
    file: "engine/index/lock.ts",
    text: "return this.#environment.transactSync(() => this.#checked(action));",
    replacement: "return this.#checked(action);",
    tests: ["index/lock.test.ts"],
  },
  {
    name: "nobody looks whether the lock is still the lock",
    file: "engine/index/lock.ts",
    text: 'if (inodeOf(join(this.#folder, "lock.mdb")) !== this.#inode) {',
    replacement: "if (this.#inode < 0) {",
    tests: ["index/lock.test.ts"],
  },
  {
    name: "a miss is not looked up again in a newer state",
    file: "engine/index-view.ts",
    text: "    if (row) return row;\n    this.refresh();\n",
    replacement: "    if (row) return row;\n",
    tests: ["processes/many.test.ts", "store/open-and-close.test.ts", "engine/view.test.ts"],
  },
  {
    name: "what was read in a turn stays as fresh as it was until the timers run",
    file: "engine/index-view.ts",
    text: "if (!this.#freshInTurn || performance.now() - this.#freshAt > FRESH_MILLISECONDS)",
    replacement: "if (!this.#freshInTurn)",
    tests: ["processes/many.test.ts"],
  },
  {
    name: "what is cached of families is not emptied when others write",
    file: "engine/index-view.ts",
    text: "    if (tailSequence !== this.#tailSequence || this.#catalog !== this.#source.catalog) this.families.clear();\n",
    replacement: "",
    tests: ["processes/many.test.ts"],
  },
  {
    name: "what is cached of families is not emptied when batches of the dead are adopted",
    file: "engine/log-end.ts",
    text: "    if (position.sequence !== state.tail.sequence) this.families.clear();\n",
    replacement: "",
    tests: ["engine/recovery.test.ts"],
  },
  {
    name: "a failed batch is not undone",
    file: "engine/commit.ts",
    text: "if (item.work.undoable) this.#end.catalog.undo();",
    replacement: "if (item.work.undoable) this.#end.catalog.unmark();",
    tests: ["store/batch.test.ts", "engine/commit.test.ts"],
  },
  {
    name: "a failed write is not cut off",
    file: "engine/log-end.ts",
    text: "return written && (foreign || !this.#cutAt(state, start));",
    replacement: "this.lock.setState({ ...state, tail: start, cutAtTail: false });\n    return written;",
    tests: ["engine/commit.test.ts"],
  },
  {
    name: "bytes of another writer are cut off",
    file: "engine/log-end.ts",
    text: "cutAtTail: written && !foreign",
    replacement: "cutAtTail: written",
    tests: ["engine/commit.test.ts"],
  },
  {
    name: "versions are counted from the live ones only",
    file: "engine/operations.ts",
    text: "const newest = transaction.firstOf(name, () => versionsRange(name), versionKey(name, 0));",
    replacement: "const newest = latestVersion(transaction, name);",
    tests: ["store/delete.test.ts"],
  },
  {
    name: "the folder is not synced when a segment is made",
    file: "engine/log/segment.ts",
    text: "  files.syncFolder(folder);\n",
    replacement: "",
    tests: ["log/writer.test.ts"],
  },
  {
    name: "the old segment is not synced before the new one",
    file: "engine/log/writer.ts",
    text: "    this.sync();\n    const taken",
    replacement: "    const taken",
    tests: ["log/writer.test.ts"],
  },
  {
    name: "writing goes on after a failed sync",
    file: "engine/commit.ts",
    text: "      this.#end.syncFailed();\n",
    replacement: "      this.#failure = undefined;\n",
    tests: ["engine/commit.test.ts"],
  },
  {
    name: "an index is trusted whatever its mark says",
    file: "engine/index/mark.ts",
    text: "return mark.clean !== undefined || mark.bootId === currentBootId();",
    replacement: "return true;",
    tests: ["engine/recovery.test.ts"],
  },
  {
    name: "an index is trusted in a copied home",
    file: "engine/index/mark.ts",
    // Either check alone would notice: the birth of a copy differs as its inode does.
    text: `if (mark.device !== data.dev || mark.inode !== data.ino) return false;
  if (mark.born !== bornAt(join(folder, "data.mdb"))) return false;`,
    replacement: "",
    tests: ["engine/recovery.test.ts"],
  },
  {
    name: "an index is trusted for an inode that was given again",
    file: "engine/index/mark.ts",
    text: 'if (mark.born !== bornAt(join(folder, "data.mdb"))) return false;',
    replacement: "",
    tests: ["engine/recovery.test.ts"],
  },
  {
    name: "a name whose first version was lost is taken for a new one",
    file: "engine/transaction.ts",
    text: " && !this.#catalog.hasGap()",
    replacement: "",
    tests: ["store/damage.test.ts"],
  },
  {
    name: "an index is not marked before it is written",
    file: "engine/log-end.ts",
    text: "      markUnclean(this.#source.indexFolder);\n",
    replacement: "",
    tests: ["engine/recovery.test.ts"],
  },
  {
    name: "rows of the index are not checked",
    file: "engine/index/rows.ts",
    text: "bytes.readUInt32LE(0) === rowChecksum(bytes.subarray(4))",
    replacement: "bytes.length > 0",
    tests: ["index/rows.test.ts"],
  },
  {
    name: "references of deleted versions are still counted",
    file: "engine/index/catalog.ts",
    text: "old && !old.weak ? old.references : []",
    replacement: "[]",
    tests: ["index/catalog.test.ts"],
  },
  {
    name: "ifVersion is not checked",
    file: "engine/operations.ts",
    text: "  if (actual === wanted) return;\n",
    replacement: "  if (actual !== undefined) return;\n",
    tests: ["store/save-and-load.test.ts"],
  },
];
