import type { Fault } from "./fault.ts";

const SAVE = "engine/large/save-directory.ts";
const L = (name: string): string => `large/${name}.test.ts`;
const CLI = "cli/directories.test.ts";
const DIFF = "cli/directories-diff.test.ts";

/** Of directories in a store, and at the command line. */
export const directoryStoreFaults: Fault[] = [
  {
    name: "a group ends wherever it is full, with files that no node of it names",
    file: "engine/large/pinned-writer.ts",
    text: "(endsHere ? ENOUGH : 1)",
    replacement: "(endsHere ? Math.max(ENOUGH, 1) : 1)",
    tests: ["large/directories-again.test.ts"],
  },
  {
    name: "the files of a folder saved again are all read",
    file: SAVE,
    text: "      stamps: Buffer.from(tree.stamps),\n",
    replacement: "",
    tests: [L("directories-again")],
  },
  {
    name: "a version that went meanwhile fails the save",
    file: SAVE,
    text: "    if (!isGoneMeanwhile(error)) throw error;\n",
    replacement: "    if (!isGoneMeanwhile(error) || error) throw error;\n",
    tests: [L("directories-again")],
  },
  {
    name: "contents that were not read are not held",
    file: SAVE,
    text: "return this.#writer.hold(asBuffer(root ?? digest), root !== undefined);",
    replacement:
      "return root === undefined || digest.length > 0 || this.#writer.hold(asBuffer(root), false);",
    tests: [L("directories-again")],
  },
  {
    name: "an unchanged piece is taken for kept though the log has lost some of it",
    file: "engine/large/pinned-writer.ts",
    text: "return !this.#core.catalog.gaps.all() && this.hold(digest, isNode);",
    replacement: "return this.hold(digest, isNode);",
    tests: [L("directories-failing")],
  },
  {
    name: "an unchanged piece is not held",
    file: SAVE,
    text: "this.#writer.holdAll(asBuffer(stampsDigest), false) &&",
    replacement: "digest.length > 0 || this.#writer.holdAll(asBuffer(stampsDigest), false) &&",
    tests: [L("directories-again")],
  },
  {
    name: "looking at contents writes down all that is known",
    file: SAVE,
    text: "comparesTimes: checkContents !== true, pinsAtOnce: false",
    replacement: "comparesTimes: checkContents !== true, pinsAtOnce: checkContents === true",
    tests: [L("directories-again")],
  },
  {
    name: "contents are not looked at though that was asked for",
    file: SAVE,
    text: "comparesTimes: checkContents !== true, pinsAtOnce: false",
    replacement: "comparesTimes: checkContents !== undefined || true, pinsAtOnce: false",
    tests: [L("directories-again")],
  },
  {
    name: "a folder that can't be saved leaves its pins",
    file: SAVE,
    text: "    await writer.abandon();\n",
    replacement: "",
    tests: [L("directories-failing")],
  },
  {
    name: "a damaged earlier tree fails the next save",
    file: SAVE,
    text: "    if (!isCorruption(error)) throw error;\n    return undefined;\n",
    replacement: "    if (isCorruption(error) || error) throw error;\n    return undefined;\n",
    tests: [L("directories-failing")],
  },
  {
    name: "the pieces of a manifest name nothing that is to be kept",
    file: SAVE,
    text: "const part = { digest, bytes, ...(references.length > 0 && { references: references.map(asBuffer) }) };",
    replacement:
      "const part: Part = { digest, bytes, ...(references.length > 1e6 && { references: references.map(asBuffer) }) };",
    tests: [L("directories"), L("directories-again")],
  },
  {
    name: "a directory has a media type of the caller's",
    file: SAVE,
    text: "if (others.codec !== undefined || others.mediaType !== undefined)",
    replacement: "if (others.codec !== undefined && others.mediaType !== undefined)",
    tests: [L("directories")],
  },
  {
    name: "bytes may be saved as a directory",
    file: "engine/save.ts",
    text: "  if (mediaType === MEDIA_TYPE_DIRECTORY) throw isOfDirectories();\n",
    replacement: "",
    tests: [L("directories")],
  },
  {
    name: "a directory gives the bytes of its manifest",
    file: "engine/values.ts",
    text: "      if (isDirectory(stored)) throw noBytes();\n",
    replacement: "",
    tests: [L("directories")],
  },
  {
    name: "a part of a file is all of it",
    file: "engine/large/directory-source.ts",
    text: "bytes.subarray(span.start, span.end)",
    replacement: "bytes.subarray(0, Math.max(span.start, span.end, bytes.length))",
    tests: [L("directories")],
  },
  {
    name: "directories get out of step in a comparison",
    file: "cli/diff/directory.ts",
    text: "Buffer.compare(keyOf(a), keyOf(b))",
    replacement: "Buffer.compare(Buffer.from(a.path), Buffer.from(b.path))",
    tests: ["cli/directories-diff.test.ts"],
  },
  {
    name: "what the disk has lost is told as a failure to write",
    file: "cli/writing.ts",
    text: '(error as Error).name === "VarveError"',
    replacement: '(error as Error).name === ""',
    tests: [CLI, DIFF],
  },
  {
    name: "a folder is taken for its first file",
    file: "cli/commands/get.ts",
    text: 'if (kind !== "file" || found !== path.replace(/\\/$/, "")) break;',
    replacement: 'if (kind !== "file" || found === "") break;',
    tests: [CLI, DIFF],
  },
];
