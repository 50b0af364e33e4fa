import * as assert from "uvu/assert";
import type { VarveErrorCode } from "../../engine/errors.ts";
import { VarveError } from "../../engine/errors.ts";

/** The error that `call` fails with, which must have this code. */
export async function failure(
  call: Promise<unknown> | (() => unknown),
  code: VarveErrorCode,
): Promise<VarveError> {
  let result: unknown;
  try {
    result = await (typeof call === "function" ? call() : call);
  } catch (error) {
    if (!(error instanceof VarveError)) throw error;
    assert.is(error.code, code, `${error.code} instead of ${code}: ${error.message}`);
    return error;
  }
  assert.unreachable(`resolved with ${JSON.stringify(result)} instead of failing with ${code}`);
  throw new Error("unreachable");
}

/** As `failure`, and it says what can be done. */
export async function failureWithHint(
  call: Promise<unknown> | (() => unknown),
  code: VarveErrorCode,
): Promise<VarveError> {
  const error = await failure(call, code);
  assert.ok(error.hint, `no hint: ${error.message}`);
  return error;
}
