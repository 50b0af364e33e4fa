import { VarveError } from "./errors.ts";
import type { EnvironmentRange } from "./index/lmdb.ts";
import { APPLICATION_SPACE } from "./index/rows.ts";
import { encodeKey, KEYS_END, prefixRange } from "./key.ts";
import type { RangeOptions } from "./key-value-api.ts";

/** The bounds of a range as the index takes them. */
export function environmentRange(options: RangeOptions): EnvironmentRange {
  const { low, high } = bounds(options);
  const limit = checkedLimit(options.limit);
  const base: EnvironmentRange = options.reverse
    ? { start: high, exclusiveStart: true, end: low, inclusiveEnd: true, reverse: true }
    : { start: low, end: high };
  return limit === undefined ? base : { ...base, limit };
}

/** The first key inside and the first key behind. */
function bounds(options: RangeOptions): { low: Buffer; high: Buffer } {
  const { gt, gte, lt, lte, prefix } = options;
  const bounded = [gt, gte, lt, lte].filter((bound) => bound !== undefined).length;
  if (prefix !== undefined) {
    if (bounded > 0) throw badRange("a prefix and bounds together", "give either");
    const { start, end } = prefixRange(prefix);
    return { low: start, high: end };
  }
  if ((gt !== undefined && gte !== undefined) || (lt !== undefined && lte !== undefined)) {
    throw badRange("two bounds on one side", "give gt or gte, and lt or lte");
  }
  const low =
    gt !== undefined
      ? behind(encodeKey(gt))
      : gte !== undefined
        ? encodeKey(gte)
        : Buffer.from([APPLICATION_SPACE]);
  const high =
    lte !== undefined ? behind(encodeKey(lte)) : lt !== undefined ? encodeKey(lt) : Buffer.from([KEYS_END]);
  return { low, high };
}

/** The smallest sequence of bytes that comes after `key`. */
function behind(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.from([0])]);
}

function checkedLimit(limit: number | undefined): number | undefined {
  if (limit === undefined || (Number.isInteger(limit) && limit >= 0)) return limit;
  throw badRange(`the limit ${limit}`, "give a whole number");
}

function badRange(what: string, hint: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", `a range can't have ${what}`, { hint });
}
