/** Fills a home, and closes it or waits to be killed with it open. */
import { writeSync } from "node:fs";
import { openOverSeams } from "../helpers/seam-store.ts";
import type { Filling } from "./damage-material.ts";
import { fill } from "./damage-material.ts";

interface Options extends Filling {
  home: string;
  segmentBytesMax?: number;
  close: boolean;
}

const { home, segmentBytesMax, close, ...filling }: Options = JSON.parse(process.argv[2]!);
const store = await openOverSeams(home, segmentBytesMax ? { segmentBytesMax } : {});
await fill(store, filling);
if (close) await store.close();
writeSync(1, `${JSON.stringify({ filled: true })}\n`);
// Until it is killed, or who started it is gone.
process.stdin.resume();
