import type { Fault } from "./fault.ts";

const SUITE = "composed/embedded-metadata.test.ts";
const HOME = "composed/embedded-metadata-home.test.ts";

/** Of metadata in a home whose values are elsewhere. */
export const embeddedMetadataFaults: Fault[] = [
  {
    name: "embedded metadata: a read error behind a commit passes for one of the call",
    file: "engine/composed/embedded-metadata.ts",
    text: "      return committedUnread(rest.sequence, error);\n",
    replacement: "      void committedUnread;\n      throw error;\n",
    tests: ["composed/embedded-unread.test.ts"],
  },
  {
    name: "embedded metadata: who can't read back what was committed is told that it was not",
    file: "engine/composed/embedded-record.ts",
    text: '    outcome: "unknown",\n',
    replacement: "",
    tests: ["composed/embedded-unread.test.ts"],
  },
  {
    name: "metadata: a unit has the time of the clock",
    file: "engine/commit.ts",
    text: "transaction.begin(item.work.time);",
    replacement: "transaction.begin();",
    tests: [SUITE],
  },
  {
    name: "metadata: what was forgotten can be brought back",
    file: "engine/not-found.ts",
    text: "if (valuePlace(row) === ValuePlace.collected) return false;",
    replacement: "",
    tests: [HOME, SUITE],
  },
  {
    name: "metadata: a list by digest looks for blobs of the log",
    file: "engine/list.ts",
    text: "const isOutside = isNoted || ",
    replacement: "const isOutside = ",
    tests: [HOME],
  },
  {
    name: "metadata: a value elsewhere is looked for in the log",
    file: "engine/values.ts",
    text: "if (!this.#kept || !stored.kept) throw keptElsewhere();",
    replacement: "",
    tests: [HOME],
  },
  {
    name: "metadata: the code of a value elsewhere is the second reference",
    file: "engine/artifact-record.ts",
    text: "row.references[isElsewhere(row) ? 0 : 1]!",
    replacement: "row.references[1]!",
    tests: [HOME],
  },
  {
    name: "metadata: an undelete is told as an annotation",
    file: "engine/composed/embedded-feed.ts",
    text: 'change === "undelete" || change === "move" ? change : "annotate"',
    replacement: '"annotate"',
    tests: [HOME],
  },
  {
    name: "metadata: that bytes are forgotten is an operation",
    file: "engine/composed/embedded-feed.ts",
    text: 'if (valuePlace(row) === ValuePlace.collected && content.change !== "purge") return undefined;',
    replacement: "",
    tests: [HOME],
  },
  {
    name: "metadata: a feed begins in a later segment",
    file: "engine/composed/embedded-feed.ts",
    text: "segment.header.previousSequence <= this.#after)",
    replacement: "segment.header.previousSequence <= this.#newest)",
    tests: [HOME],
  },
  {
    name: "metadata: an alias put on since does not keep a version",
    file: "engine/composed/embedded-unit.ts",
    text: "return aliases.some((alias)",
    replacement: "return [].some((alias)",
    tests: [SUITE],
  },
  {
    name: "metadata: a unit that is refused rejects the call",
    file: "engine/composed/embedded-metadata.ts",
    text: "!failed.some((error) => refused.has(error))",
    replacement: "failed.length > 0",
    tests: [SUITE],
  },
  {
    name: "metadata: a failed disk is told as the refusal of each unit",
    file: "engine/composed/embedded-metadata.ts",
    text: "if (failed.length > 0 && isOfCall) throw failed.find(({ outcome }) => outcome) ?? failed[0];",
    replacement: "",
    tests: [HOME],
  },
  {
    name: "metadata: what a version is behind the unit is not read",
    file: "engine/composed/embedded-unit.ts",
    text: "versions: this.#touched.map(({ name, version }) => this.#state(name, version)),",
    replacement:
      "versions: this.#touched.map((touched) => ({ aliasRows: [], ...(touched as TouchedVersion) })),",
    tests: [SUITE],
  },
  {
    name: "metadata: what is deleted later is forgotten too",
    file: "engine/composed/embedded-forget.ts",
    text: "return isThere && isDeleted(row) && row.sequence <= sequence;",
    replacement: "return isThere && isDeleted(row) && sequence > 0;",
    tests: [SUITE],
  },
  {
    name: "metadata: a list by size stops at what does not match",
    file: "engine/list.ts",
    text: "if (made === undefined) continue;",
    replacement: "if (made === undefined) return;",
    tests: [SUITE],
  },
  {
    name: "metadata: when a collected version was deleted is not kept",
    file: "engine/composed/embedded-forget.ts",
    text: "{ ...content, deletion: row.sequence }",
    replacement: "content",
    tests: [SUITE],
  },
  {
    name: "metadata: no horizon is noted",
    file: "engine/compact.ts",
    text: "    if (historyBefore && !dryRun) await noteHorizon(core, historyBefore, durable);\n",
    replacement: "",
    tests: [SUITE, HOME],
  },
  {
    name: "metadata: who reads is not told that the rest is forgotten",
    file: "engine/composed/embedded-feed.ts",
    text: "if (horizon > read) throw",
    replacement: "if (horizon > read && read === this.#after) throw",
    tests: [SUITE],
  },
  {
    name: "metadata: the horizon goes back",
    file: "engine/forget.ts",
    text: "    if (horizonOf(transaction) >= before) return;\n",
    replacement: "",
    tests: [SUITE],
  },
];
