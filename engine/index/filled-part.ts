import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { KIND_LEAF, META_PAGES, PAGE_HEADER_BYTES, Pages } from "./pages.ts";

/** Enough for a few hundredths; to read them takes about a millisecond. */
const SAMPLES_MAX = 256;

interface FileSize {
  fileBytes: number;
  pageBytes: number;
}

/**
 * The part of the leaf pages of an index that is filled, by a look at some of them; 1 where there are none, or another
 * process has replaced the index and removed it. Others may write to it meanwhile, and pages that are free are among those
 * looked at: they were leaves like the others. So it is a guess.
 */
export function filledPart(folder: string, size: FileSize): number {
  const path = join(folder, "data.mdb");
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 1;
    throw error;
  }
  try {
    return filledPartOf(file, size);
  } finally {
    closeSync(file);
  }
}

function filledPartOf(file: number, { fileBytes, pageBytes }: FileSize): number {
  const pages = Math.floor(fileBytes / pageBytes) - META_PAGES;
  const count = Math.min(SAMPLES_MAX, pages);
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
}
