/** What the thread runs that looks at a folder for another one. It loads nothing of log or index. */

import { parentPort, workerData } from "node:worker_threads";
import { contentDigest } from "../blob/digest.ts";
import { fromSystemError } from "../errors.ts";
import { IgnoreRules } from "./ignore.ts";
import { memoryOf, packed } from "./packed.ts";
import { LARGE_BYTES_MIN, readSmall } from "./read-file.ts";
import type { Found, FoundFile } from "./scan.ts";
import { scanTree } from "./scan.ts";
import type { ScanAnswer, ScanTask } from "./second-scan.ts";
import { ANSWERS_MAX, failureOf } from "./second-scan.ts";

/** What one answer has at most: so little that a few of them take little memory, and enough that they cost little. */
const ANSWER_BYTES = 1024 * 1024;
const ANSWER_ENTRIES = 1_024;

const task = workerData as ScanTask;
const port = parentPort!;
let { reads } = task;
let untaken = 0;
let onTaken = (): void => {};

port.on("message", (wantsContents: boolean) => {
  reads = wantsContents;
  untaken--;
  onTaken();
});

/** The answer in the making. */
let entries: Found[] = [];
let contents = Buffer.alloc(0);
let used = 0;

async function tell(): Promise<void> {
  while (untaken === ANSWERS_MAX) {
    await new Promise<void>((resolve) => {
      onTaken = resolve;
    });
  }
  untaken++;
  const answer = packed(entries, contents);
  port.postMessage(answer satisfies ScanAnswer, memoryOf(answer));
  entries = [];
  contents = Buffer.alloc(0);
  used = 0;
}

/** Files are read to where they are handed over. */
function roomFor(bytes: number): Buffer {
  return contents.subarray(used, used + bytes);
}

/** One that grows meanwhile has no room here, and is left to the other thread. */
function read(found: FoundFile): FoundFile {
  const read = readSmall(`${task.root}/${found.path}`, found, roomFor);
  if (!read) return found;
  used += read.bytes.length;
  return { ...read.file, read: { bytes: read.bytes, digest: contentDigest(read.bytes) } };
}

function isWanted(found: Found): found is FoundFile {
  return reads && found.kind === "file" && found.size < LARGE_BYTES_MIN;
}

/** With a byte more, by which is seen that a file grew. */
const bytesOf = ({ size }: FoundFile): number => size + 1;

async function tellAll(): Promise<void> {
  const { root, ignore, behind } = task;
  for await (const batch of scanTree(root, new IgnoreRules(ignore), { behind }))
    for (const found of batch) {
      const wanted = isWanted(found) ? bytesOf(found) : 0;
      const isFull = entries.length === ANSWER_ENTRIES || used + wanted > Math.max(contents.length, wanted);
      if (isFull) await tell();
      if (contents.length < wanted) contents = Buffer.allocUnsafeSlow(Math.max(ANSWER_BYTES, wanted));
      entries.push(isWanted(found) ? read(found) : found);
    }
  await tell();
}

let failure: ScanAnswer = { failure: undefined };
try {
  await tellAll();
} catch (error) {
  failure = { failure: failureOf(fromSystemError(error, "reading a folder")) };
}
port.postMessage(failure);
port.close();
