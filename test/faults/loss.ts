import type { Fault } from "./fault.ts";

/** Of what is lost or damaged: numbers, and whose log it is. */
export const lossFaults: Fault[] = [
  {
    name: "a name whose first version was lost is taken for a new one",
    file: "engine/transaction.ts",
    text: " && !this.#catalog.gaps.all()",
    replacement: "",
    tests: ["store/damage.test.ts", "store/damage-numbers.test.ts", "store/damage-segments.test.ts"],
  },
  {
    name: "a log that lost its end goes on with the numbers of what is missing",
    file: "engine/maintenance/missing-end.ts",
    text: "  if (end.sequence >= known) return end;\n",
    replacement: "  if (known >= 0) return end;\n",
    tests: ["engine/heal.test.ts"],
  },
  {
    name: "a store whose log is gone begins anew",
    file: "engine/maintenance/identity.ts",
    text: "if (listGenerations(home.folder).length > 0) {",
    replacement: "if (listGenerations(home.folder).length < 0) {",
    tests: ["engine/heal.test.ts"],
  },
  {
    name: "one segment of another store decides whose log it is",
    file: "engine/maintenance/identity.ts",
    text: ".sort((a, b) => b.count - a.count)",
    replacement: ".sort(() => 0)",
    tests: ["engine/heal.test.ts"],
  },
  {
    name: "versions in a lost batch are given again",
    file: "engine/maintenance/gap.ts",
    text: "      lost += batch.count;\n",
    replacement: "",
    tests: ["store/damage.test.ts", "store/damage-numbers.test.ts", "store/damage-segments.test.ts"],
  },
  {
    name: "a version that was rewritten behind a gap is taken for the newest",
    file: "engine/operations.ts",
    text: "if (!isRewritten(row)) return row.sequence;",
    replacement: "if (row) return row.sequence;",
    tests: ["store/damage.test.ts", "store/damage-numbers.test.ts", "store/damage-segments.test.ts"],
  },
  {
    name: "versions in a missing segment are given again",
    file: "engine/maintenance/gap.ts",
    text: "putsIn(previousEnd - SEGMENT_HEADER_BYTES)",
    replacement: "putsIn(0)",
    tests: ["store/damage.test.ts", "store/damage-numbers.test.ts", "store/damage-segments.test.ts"],
  },
  {
    name: "segments that changed places count as nothing lost",
    file: "engine/log/reader.ts",
    text: "return this.#belongsElsewhere(header) ? 0 : Number.POSITIVE_INFINITY;",
    replacement: "return 0;",
    tests: ["store/damage.test.ts", "store/damage-numbers.test.ts", "store/damage-segments.test.ts"],
  },
  {
    name: "a name of a segment without a file counts as nothing lost",
    file: "engine/log/reader.ts",
    text: "if (isCorruption(fromSegmentFailure(error, path, id))) return Number.POSITIVE_INFINITY;",
    replacement: "if (isCorruption(fromSegmentFailure(error, path, id))) return 0;",
    tests: ["store/damage.test.ts", "store/damage-numbers.test.ts", "store/damage-segments.test.ts"],
  },
  {
    name: "a copy of a segment counts as a loss",
    file: "engine/log/reader.ts",
    text: "return this.readableSegment(segmentId(number, generation)) !== undefined;",
    replacement: "return number < 0 && generation < 0;",
    tests: ["store/damage.test.ts", "store/damage-numbers.test.ts", "store/damage-segments.test.ts"],
  },
  {
    name: "a segment of another store counts as a loss",
    file: "engine/log/reader.ts",
    text: "    if (this.identity && storeId !== this.identity.storeId) return true;\n",
    replacement: "",
    tests: ["store/damage.test.ts", "store/damage-numbers.test.ts", "store/damage-segments.test.ts"],
  },
];
