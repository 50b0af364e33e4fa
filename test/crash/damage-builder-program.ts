/** Fills a home, and closes it or waits to be killed with it open. */
import { writeSync } from "node:fs";
import { familyOf } from "../../engine/artifact-record.ts";
import { CodecRegistry } from "../../engine/codec/codec.ts";
import { openCore } from "../../engine/open.ts";
import { EmbeddedStore } from "../../engine/store.ts";
import type { Filling } from "./damage-material.ts";
import { fill } from "./damage-material.ts";

interface Options extends Filling {
  home: string;
  segmentBytesMax?: number;
  close: boolean;
}

const { home, segmentBytesMax, close, ...filling }: Options = JSON.parse(process.argv[2]!);
const handle = await openCore(home, {
  application: "artifact",
  familyOf,
  ...(segmentBytesMax && { segmentBytesMax }),
});
const store = new EmbeddedStore(handle, {
  home,
  readOnly: false,
  durable: true,
  codecs: new CodecRegistry(),
});
await fill(store, filling);
if (close) await store.close();
writeSync(1, `${JSON.stringify({ filled: true })}\n`);
setInterval(() => {}, 1000);
