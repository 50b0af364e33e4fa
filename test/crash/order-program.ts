/** Saves, and says by write(2) when: so that a trace of system calls shows what was done before it was said. */
import { writeSync } from "node:fs";
import { familyOf } from "../../engine/artifact-key.ts";
import { CodecRegistry } from "../../engine/codec/codec.ts";
import { openCore } from "../../engine/open.ts";
import { EmbeddedStore } from "../../engine/store.ts";

/** The argument, as JSON. */
export interface OrderProgramOptions {
  home: string;
  durability: "durable" | "buffered";
}

const SEGMENT_BYTES_MAX = 20_000;
const { home, durability }: OrderProgramOptions = JSON.parse(process.argv[2]!);
const say = (word: string) => void writeSync(1, `${word}\n`);

const handle = await openCore(home, {
  application: "artifact",
  familyOf,
  segmentBytesMax: SEGMENT_BYTES_MAX,
});
const store = new EmbeddedStore(handle, {
  home: handle.core.folder,
  readOnly: false,
  durable: durability === "durable",
  codecs: new CodecRegistry(),
});
for (let i = 0; i < 3; i++) await store.save("x", i);
// What a buffered save has begun to sync is over by then.
await new Promise((resolve) => setTimeout(resolve, 200));
say("BEGIN");
await store.save("x", "one");
say("SAVED");
await new Promise((resolve) => setTimeout(resolve, 200));
await store.save("x", "y".repeat(2 * SEGMENT_BYTES_MAX));
say("FULL");
await store.save("x", "behind a roll");
say("ROLLED");
await store.close();
say("CLOSED");
