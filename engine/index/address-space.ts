import { readFileSync } from "node:fs";

/**
 * Addresses set aside for the file of an index. No memory is used for them; but where a file outgrows them, lmdb-js maps it
 * again and keeps the maps before, in which the same pages are resident once more.
 */
const INDEX_ADDRESSES = 16 * 1024 ** 3;
const NO_LIMIT = /^Max address space +unlimited/m;

/**
 * How much of the address space to set aside for an index; undefined where that may be scarce, since the process ends
 * where LMDB asks for more than there is. Small computers with ARM have addresses for 32 such indexes only; elsewhere than on
 * Linux nobody has tried it.
 */
export function indexAddresses(): number | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  try {
    return NO_LIMIT.test(readFileSync("/proc/self/limits", "latin1")) ? INDEX_ADDRESSES : undefined;
  } catch {
    return undefined;
  }
}
