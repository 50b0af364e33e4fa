/**
 * Fills a store and does nothing more, and does not close it either. Says when the index begins to be packed, and, when the
 * process ends, whether that was over.
 */
import { writeSync } from "node:fs";
import { Catalog } from "../../engine/index/catalog.ts";
import { openOverSeams } from "../helpers/seam-store.ts";

const say = (document: unknown) => writeSync(1, `${JSON.stringify(document)}\n`);
const { append, putOwnInto } = Catalog.prototype;
let isPacked = false;
/** Until it is begun. */
const waiting = setInterval(() => {}, 1_000);
Catalog.prototype.append = function (key, value) {
  Catalog.prototype.append = append;
  clearInterval(waiting);
  say({ begun: true });
  return append.call(this, key, value);
};
Catalog.prototype.putOwnInto = function (other) {
  isPacked = true;
  putOwnInto.call(this, other);
};
process.on("exit", () => say({ ended: true, isPacked }));

const options = { packing: { look: 20, bytesMin: 256 * 1024 } };
const store = await openOverSeams(process.argv[2]!, options, "buffered");
for (let first = 0; first < 6_000; first += 500)
  await store.batch((batch) => {
    for (let i = first; i < first + 500; i++) batch.save(`n${i % 3}`, { i });
  });
