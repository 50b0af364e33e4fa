import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { KIND_LEAF, META_PAGES, PAGE_HEADER_BYTES, Pages } from "./pages.ts";

/** Enough for a few hundredths; to read them takes about a millisecond. */
const SAMPLES_MAX = 256;

/**
 * The part of the leaf pages of an index that is filled, by a look at some of them; 1 where there are none. Others may write to
 * it meanwhile, and pages that are free are among those looked at: they were leaves like the others. So it is a guess.
 */
export function filledPart(
  folder: string,
  { fileBytes, pageBytes }: { fileBytes: number; pageBytes: number },
) {
  const pages = Math.floor(fileBytes / pageBytes) - META_PAGES;
  const count = Math.min(SAMPLES_MAX, pages);
  const path = join(folder, "data.mdb");
  const file = openSync(path, "r");
  try {
    const page = new Pages(Buffer.alloc(PAGE_HEADER_BYTES));
    let leaves = 0;
    let filled = 0;
    for (let i = 0; i < count; i++) {
      const number = META_PAGES + Math.floor((i * pages) / count);
      const read = readSync(file, page.bytes, 0, PAGE_HEADER_BYTES, number * pageBytes);
      if (read < PAGE_HEADER_BYTES || page.short(18) !== KIND_LEAF) continue;
      leaves++;
      filled += 1 - (page.short(22) - page.short(20)) / (pageBytes - PAGE_HEADER_BYTES);
    }
    return leaves === 0 ? 1 : filled / leaves;
  } finally {
    closeSync(file);
  }
}
