import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseConfigValue, redactUrl, withoutSecrets } from "../../engine/config.ts";
import type { VarveError } from "../../engine/errors.ts";

const test = suite("values of the configuration, as they are typed and shown");

test("sizes have decimal and binary units", () => {
  const bytesOf = (text: string) => parseConfigValue("max_size", text, "test");
  for (const [text, bytes] of [
    ["0", 0],
    ["512", 512],
    ["512B", 512],
    ["10GB", 10_000_000_000],
    ["10 gb", 10_000_000_000],
    ["1.5k", 1_500],
    ["64MiB", 67_108_864],
    ["2Ti", 2 * 1024 ** 4],
  ] as const) {
    assert.is(bytesOf(text), bytes, text);
  }
  for (const text of ["", "-1", "1e3", "GB", "1XB", "1iB", "99999999TB", "0x10", "1,5GB"]) {
    assert.throws(
      () => bytesOf(text),
      (error: VarveError) => error.code === "CONFIG",
      text,
    );
  }
});

test("credentials in URLs are replaced, and nothing else", () => {
  for (const [text, redacted] of [
    ["postgresql://ann:pw@host:5432/db", "postgresql://***@host:5432/db"],
    ["postgresql://ann:p@ss/w?rd@host/db", "postgresql://***@host/db"],
    ["postgresql://ann:p/w@host/db", "postgresql://***@host/db"],
    ["https://token@host/path", "https://***@host/path"],
    ["s3://bucket/a@b", "s3://bucket/a@b"],
    ["http://host:8080/a?b=c", "http://host:8080/a?b=c"],
    ["http://[::1]:80/a@b", "http://[::1]:80/a@b"],
    ["https://h/p?sig=abc&X-Amz-Signature=d&user=e", "https://h/p?sig=***&X-Amz-Signature=***&user=e"],
    ["postgresql:///db?user=a&password=b", "postgresql:///db?user=a&password=***"],
    ['failed at "mysql://u:p@h/d" twice: mysql://u:p@h', 'failed at "mysql://***@h/d" twice: mysql://***@h'],
    ["no url: ann@host", "no url: ann@host"],
    ["/plain/path", "/plain/path"],
    ["no answer of postgres://u:pa ss@h/db: stopped", "no answer of postgres://***@h/db: stopped"],
    ["http://host:80 and ann@host", "http://host:80 and ann@host"],
  ] as const) {
    assert.is(redactUrl(text), redacted);
  }
});

test("a password that was not escaped is no port, no path, no query, and not over at a space", () => {
  for (const [url, shown] of [
    ["postgres://u:pa ss@h/db", "postgres://***@h/db"],
    ["postgres://u:1 2@h/db", "postgres://***@h/db"],
    ["postgres://u:12/34@h/db", "postgres://***@h/db"],
    ["postgres://u:/34@h/db", "postgres://***@h/db"],
    ["mysql://u:1?2@h/db", "mysql://***@h/db"],
    ["mysql://u:1#2@h/db", "mysql://***@h/db"],
    ["mysql://u:1\n2@h/db", "mysql://***@h/db"],
    [" mysql://u:1 2@h/db", "mysql://***@h/db"],
    ["postgresql://h/db?password=a b", "postgresql://h/db?password=***"],
    ["postgresql://h:5432/db", "postgresql://h:5432/db"],
    ["s3://bucket/a b@c", "s3://bucket/a b@c"],
  ] as const) {
    assert.is(withoutSecrets(url), shown);
    if (!/\s/.test(url)) assert.is(redactUrl(url), shown);
  }
});

test.run();
