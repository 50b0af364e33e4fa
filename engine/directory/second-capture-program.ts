/** What the thread runs that reads a folder for another one. It loads nothing of log or index. */

import type { BigIntStats } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { contentDigest } from "../blob/digest.ts";
import { fromSystemError } from "../errors.ts";
import { DIGEST_BYTES } from "../log/format.ts";
import type { LinkEntry, Stamp, TreeEntry } from "./entry.ts";
import { keyOf } from "./entry.ts";
import type { StoredFile } from "./file-reader.ts";
import { entryOf } from "./file-reader.ts";
import { deviceByOwnClock } from "./file-system.ts";
import { IgnoreRules } from "./ignore.ts";
import type { NewPiece } from "./piece-writer.ts";
import { PieceWriter } from "./piece-writer.ts";
import type { SmallFile } from "./read-file.ts";
import { LARGE_BYTES_MIN, readSmall, readUnseen } from "./read-file.ts";
import type { Found, FoundFile, NamedFile } from "./scan.ts";
import { scanNames } from "./scan.ts";
import type { CaptureAnswer, CaptureReply, CaptureTask, ReadFiles, ReadPiece } from "./second-capture.ts";
import { ANSWERS_MAX, failureOf } from "./second-capture.ts";
import { isSettled, settledStamp } from "./stamps.ts";

/** What one answer has at most: so little that a few of them take little memory, and enough that they cost little. */
const ANSWER_BYTES = 1024 * 1024;
const ANSWER_FILES = 1_024;
const ANSWER_PIECES = 64;
/** What a file that was not looked at may fill, at least. */
const UNSEEN_ROOM = 64 * 1024;

const task = workerData as CaptureTask;
/** Files on others are looked at before they are read, too. */
const device = deviceByOwnClock(task.root);
const port = parentPort!;
const writer = new PieceWriter();
/** Of the piece in the making. */
let fileCount = 0;
let links: LinkEntry[] = [];
let untaken = 0;
let onReply = (_: CaptureReply): void => {};

port.on("message", (reply: CaptureReply) => {
  if (reply === null) untaken--;
  onReply(reply);
});

function nextReply(): Promise<CaptureReply> {
  return new Promise((resolve) => {
    onReply = resolve;
  });
}

/** The answer in the making. */
let contents = Buffer.alloc(0);
let used = 0;
let digests = Buffer.alloc(0);
let lengths: number[] = [];
let pieces: ReadPiece[] = [];

/** @param bytes of contents that it is to have room for */
function beginAnswer(bytes: number): void {
  contents = Buffer.allocUnsafeSlow(bytes);
  digests = Buffer.allocUnsafeSlow(bytes === 0 ? 0 : ANSWER_FILES * DIGEST_BYTES);
  used = 0;
  lengths = [];
  pieces = [];
}

async function tell(): Promise<void> {
  if (lengths.length === 0 && pieces.length === 0) return;
  while (untaken === ANSWERS_MAX) await nextReply();
  untaken++;
  const answer: ReadFiles = { contents, lengths: Uint32Array.from(lengths), digests, pieces };
  port.postMessage(answer satisfies CaptureAnswer, [contents.buffer, digests.buffer] as ArrayBuffer[]);
  beginAnswer(0);
}

function isFull(bytes: number): boolean {
  return used + bytes > contents.length || lengths.length * DIGEST_BYTES === digests.length;
}

async function makeRoom(bytes: number): Promise<void> {
  await tell();
  beginAnswer(Math.max(ANSWER_BYTES, bytes));
}

/** Of a file whose bytes are where those of the next one go. */
function noted({ file, bytes }: SmallFile): StoredFile {
  const digest = contentDigest(bytes);
  digests.set(digest, lengths.length * DIGEST_BYTES);
  lengths.push(bytes.length);
  used += bytes.length;
  return { file, content: { digest } };
}

async function storeElsewhere(found: FoundFile): Promise<StoredFile> {
  await tell();
  port.postMessage({ large: found } satisfies CaptureAnswer);
  for (;;) {
    const reply = await nextReply();
    if (reply) return reply;
  }
}

function addFile(stored: StoredFile): void {
  fileCount++;
  add(entryOf(stored), settledStamp(stored.file.stamp, task.beganNs));
}

function add(entry: TreeEntry, stamp?: Stamp): void {
  addPiece(writer.add(entry, stamp), keyOf(entry));
}

function addPiece(piece: NewPiece | undefined, last: string): void {
  if (!piece) return;
  const { node, stamps, ...others } = piece;
  pieces.push({
    ...others,
    ...{ fileCount, links, last, filesUpTo: lengths.length, referenceCount: node.references.length },
    content: node.content,
    stamps: stamps.content,
  });
  fileCount = 0;
  links = [];
}

/** A promise only where something is waited for. */
function take(found: Found | NamedFile): void | Promise<void> {
  if (found.kind === "named file") return takeNamed(found.path);
  if (found.kind === "file") return takeFile(found);
  if (found.kind === "link") links.push(found);
  add(found);
  return pieces.length >= ANSWER_PIECES ? tell() : undefined;
}

/** Most files are small, and have not changed for long: those are opened, and not looked at before. */
function takeNamed(path: string): void | Promise<void> {
  if (isFull(UNSEEN_ROOM)) return makeRoom(UNSEEN_ROOM).then(() => takeUnseen(path));
  return takeUnseen(path);
}

/** It is read to where it is handed over. */
function takeUnseen(path: string): void | Promise<void> {
  const read = readUnseen(`${task.root}/${path}`, path, contents.subarray(used), isQuiet);
  return "bytes" in read ? addFile(noted(read)) : takeFile(read);
}

/** Whether what was written in the meantime would have given it another time: see `isSettled`. */
function isQuiet({ dev, mtimeNs, ctimeNs }: BigIntStats): boolean {
  return dev === device && isSettled({ mtimeNs, ctimeNs }, task.beganNs);
}

/** Of a file that was looked at. */
function takeFile(found: FoundFile): void | Promise<void> {
  if (found.size >= LARGE_BYTES_MIN) return storeElsewhere(found).then(addFile);
  const small = readSmall(`${task.root}/${found.path}`, found);
  const { length } = small.bytes;
  if (isFull(length)) return makeRoom(length).then(() => takeSmall(small));
  takeSmall(small);
}

function takeSmall(small: SmallFile): void {
  contents.set(small.bytes, used);
  addFile(noted(small));
}

async function takeAll(): Promise<void> {
  const { root, ignore, behind } = task;
  let last = "";
  for await (const batch of scanNames(root, new IgnoreRules(ignore), { behind }))
    for (const found of batch) {
      const taking = take(found);
      if (taking) await taking;
      last = keyOf(found);
    }
  addPiece(writer.end(), last);
  await tell();
}

let failure: CaptureAnswer = { failure: undefined };
try {
  await takeAll();
} catch (error) {
  failure = { failure: failureOf(fromSystemError(error, "reading a folder")) };
}
port.postMessage(failure);
port.close();
