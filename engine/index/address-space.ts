import { readFileSync } from "node:fs";

/**
 * Addresses set aside for the file of an index. No memory is used for them; but where a file outgrows them, lmdb-js maps it
 * again and keeps the maps before, in which the same pages are resident once more.
 */
const INDEX_ADDRESSES = 16 * 1024 ** 3;
const NO_LIMIT = /^Max address space +unlimited/m;

/**
 * How much of the address space to set aside for an index; undefined where that may be scarce, since the process ends
 * where LMDB asks for more than there is.
 */
export function indexAddresses(): number | undefined {
  if (!process.arch.endsWith("64")) return undefined;
  if (process.platform === "darwin") return INDEX_ADDRESSES;
  return process.platform === "linux" && isUnlimited() ? INDEX_ADDRESSES : undefined;
}

function isUnlimited(): boolean {
  try {
    return NO_LIMIT.test(readFileSync("/proc/self/limits", "latin1"));
  } catch {
    return false;
  }
}
