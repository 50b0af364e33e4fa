import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tlsOptions } from "../../adapters/metadata/dialects/mysql-tls.ts";
import type { VarveError } from "../../engine/main.ts";
import "../helpers/whole-suites.ts";

const test = suite("metadata: encryption in URLs of MySQL and MariaDB");

/** Whether it is encrypted, and whom it is checked with. */
function told(query: string): string {
  const options = tlsOptions(new URLSearchParams(query));
  if (options === undefined) return "plain";
  if (!options.rejectUnauthorized) return "encrypted";
  return options.verifyIdentity ? "identity" : "certificate";
}

test("each thing that asks for it is enough", () => {
  for (const [query, expected] of Object.entries({
    "": "plain",
    "ssl=false": "plain",
    "ssl_verify_cert=0&ssl_verify_identity=off": "plain",
    "ssl_mode=preferred": "plain",
    "ssl_mode=DISABLED": "plain",
    "ssl=1": "encrypted",
    "ssl-mode=required": "encrypted",
    "ssl_verify_cert=true": "certificate",
    "ssl_mode=REQUIRED&ssl_verify_cert=yes": "certificate",
    "ssl_mode=verify-ca": "certificate",
    "ssl_verify_identity=1": "identity",
    "ssl_mode=VERIFY_IDENTITY": "identity",
  }))
    assert.is(told(query), expected, query);
});

test("what can't be understood is refused, and not taken for none", () => {
  for (const query of [
    "ssl_mode=verify_full",
    "ssl_mode=",
    "ssl-mode=secret",
    "ssl=secret",
    "ssl_verify_cert=secret",
    "ssl_verify_identity=",
    "ssl_ca=/nowhere/secret",
  ]) {
    try {
      told(query);
    } catch (error) {
      const { code, message, hint } = error as VarveError;
      assert.is(code, "CONFIG", query);
      assert.ok(hint);
      assert.not.match(message, /secret/);
      continue;
    }
    assert.unreachable(query);
  }
});

test.run();
