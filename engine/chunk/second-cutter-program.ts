/** What the thread runs that cuts slabs for another one. It loads nothing of log or index. */

import { parentPort } from "node:worker_threads";
import { contentDigest } from "../blob/digest.ts";
import { DIGEST_BYTES } from "../log/format.ts";
import { nextCut } from "./cutter.ts";
import type { CutAnswer, CutTask } from "./second-cutter.ts";
import { SLAB_BEGIN } from "./slab.ts";

const port = parentPort!;
/** What had no end at the last task: it stands in front of the next one's bytes. */
let left = 0;

port.on("message", ({ memory, end, isLast, from = SLAB_BEGIN - left }: CutTask) => {
  const bytes = new Uint8Array(memory);
  const ends: number[] = [];
  const digests: Uint8Array[] = [];
  let at = from;
  for (let cut = next(); cut !== undefined; cut = next()) {
    digests.push(contentDigest(bytes.subarray(at, cut)));
    ends.push(cut);
    at = cut;
  }
  left = end - at;
  const answer = { ends, digests: joined(digests) };
  port.postMessage(answer satisfies CutAnswer, [answer.digests.buffer]);

  function next(): number | undefined {
    return at < end ? nextCut(bytes, at, end, isLast) : undefined;
  }
});

function joined(digests: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(digests.length * DIGEST_BYTES);
  for (const [i, digest] of digests.entries()) bytes.set(digest, i * DIGEST_BYTES);
  return bytes;
}

port.postMessage("ready");
