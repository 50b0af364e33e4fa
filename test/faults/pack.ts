import type { Fault } from "./fault.ts";

const B = "engine/index/row-bytes.ts";
const P = "engine/maintenance/pack.ts";
const rows = ["index/rows.test.ts"];
const pack = ["engine/pack.test.ts"];

/** Of the rows of the index, and of packing it. */
export const packFaults: Fault[] = [
  {
    name: "a blob that ends where the record begins is taken for the one before it in whatever segment",
    file: B,
    text: "    blob.segment === place.segment &&\n",
    replacement: "",
    tests: rows,
  },
  {
    name: "any blob is taken for the one right before the record",
    file: B,
    text: "blob.offset + recordBytes(DIGEST_BYTES, blob.payloadLength) === place.offset",
    replacement: "blob.offset < place.offset",
    tests: rows,
  },
  {
    name: "seven references are not counted in a row",
    file: B,
    text: "if (referenceCount >= COUNT_MANY) into[at++] = referenceCount;",
    replacement: "if (referenceCount > COUNT_MANY) into[at++] = referenceCount;",
    tests: rows,
  },
  {
    name: "the row of a blob forgets that it is condemned",
    file: B,
    text: "(condemned ? CONDEMNED : 0) | ",
    replacement: "",
    tests: rows,
  },
  {
    name: "many references to a blob are cut off in its row",
    file: B,
    text: "if (referenceCount >= REFERENCES_MANY) at = writeVarint(into, referenceCount, at);",
    replacement: "if (referenceCount > REFERENCES_MANY) at = writeVarint(into, referenceCount, at);",
    tests: rows,
  },
  {
    name: "numbers of the index lose their upper bits",
    file: "engine/index/varint.ts",
    text: "rest = Math.floor(rest / MORE)",
    replacement: "rest >>>= 7",
    tests: rows,
  },
  {
    name: "a raw row keeps the fields of the one before it",
    file: "engine/index/raw-rows.ts",
    text: "    this.isRead = false;\n",
    replacement: "",
    tests: rows,
  },
  {
    name: "a compaction leaves the index as it is",
    file: "engine/maintenance/compact/compact-log.ts",
    text: "    else await this.#packIndex();\n",
    replacement: "",
    tests: pack,
  },
  {
    name: "a full index is packed again",
    file: P,
    text: "    size.bytes <= fileBytes * (1 - sparedPart) &&\n",
    replacement: "",
    tests: pack,
  },
  {
    name: "what was written since is not put into a packed index",
    file: P,
    text: "return this.#problems.length === 0 && this.#position.sequence === sequence;",
    replacement: "return sequence >= 0;",
    tests: pack,
  },
  {
    name: "a packed index does not say how far of the log it has",
    file: P,
    text: "    this.#old.putOwnInto(this.#packed);\n",
    replacement: "",
    tests: pack,
  },
  {
    name: "a packed index is not marked",
    file: P,
    text: "    markUnclean(this.#folder);\n",
    replacement: "",
    tests: pack,
  },
  {
    name: "a packed index goes before one that was made anew meanwhile",
    file: P,
    text: "state.generation !== generation || ",
    replacement: "",
    tests: pack,
  },
  {
    name: "a packed index has places from before records were moved",
    file: P,
    text: "state.logEpoch !== logEpoch || ",
    replacement: "",
    tests: pack,
  },
  {
    name: "a packed index has batches that were lost",
    file: P,
    text: " || state.losses !== losses",
    replacement: "",
    tests: pack,
  },
  {
    name: "an index is packed that is in doubt",
    file: P,
    text: "    if (state.syncFailed || state.indexSuspect) return false;\n",
    replacement: "",
    tests: pack,
  },
  {
    name: "a packed index that is void stays",
    file: P,
    text: "    dropGeneration(this.#parts.home, this.#generation);\n  }\n}",
    replacement: "  }\n}",
    tests: pack,
  },
  {
    name: "damaged rows are taken over",
    file: P,
    text: '        if (!isRowSound(key, value)) throw indexDamage("a row of the index is damaged");\n',
    replacement: "",
    tests: pack,
  },
  {
    name: "the checkpoint goes with the old index",
    file: P,
    text: "packing.checkpoint(state)?.generation ?? state.generation;",
    replacement: "state.generation;",
    tests: pack,
  },
  {
    name: "the old index is taken for a checkpoint",
    file: P,
    text: ".find(({ generation }) => generation !== this.#ground.generation)",
    replacement: "[0]",
    tests: pack,
  },
];
