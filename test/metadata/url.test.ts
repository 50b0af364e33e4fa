import { suite } from "uvu";
import * as assert from "uvu/assert";
import { importDriver } from "../../adapters/metadata/driver-import.ts";
import { behindPrefix } from "../../adapters/metadata/list.ts";
import { openMetadata } from "../../adapters/metadata/open.ts";
import { parseDatabaseUrl } from "../../adapters/metadata/url.ts";
import type { VarveError } from "../../engine/main.ts";
import { rejected } from "../conformance/metadata-support.ts";
import { Program } from "../helpers/processes.ts";
import "../helpers/whole-suites.ts";

const test = suite("metadata: database URLs");

test("three slashes are a path from the folder that is given, four are one from the root", () => {
  const path = (url: string) => (parseDatabaseUrl(url, "/home/me") as { path: string }).path;
  assert.is(path("sqlite:///a b/c%20.db"), "/home/me/a b/c%20.db");
  assert.is(path("sqlite:////var/x.db"), "/var/x.db");
  assert.is(path("sqlite+pysqlite:///x.db"), "/home/me/x.db");
});

test("of a server, everything is taken apart, and only what is no secret is told", () => {
  const url = parseDatabaseUrl(
    "postgresql+asyncpg://us%40er:p%2Fw%25@[::1]:6000/da%20ta?sslmode=require",
    "/",
  );
  assert.is(url.kind, "postgresql");
  if (url.kind === "sqlite") return;
  const { user, password, host, port, database, location } = url;
  assert.equal(
    { user, password, host, port, database },
    { user: "us@er", password: "p/w%", host: "::1", port: 6000, database: "da ta" },
  );
  assert.is(location, "postgresql://[::1]:6000/da ta");
  assert.is(url.query.get("sslmode"), "require");
});

test("what is not given has the default of the server", () => {
  const url = parseDatabaseUrl("mariadb:///db?unix_socket=/run/s", "/");
  assert.is(url.kind === "mariadb" && `${url.host}:${url.port} ${url.user}`, "localhost:3306 undefined");
  const other = parseDatabaseUrl("postgres://h:80/db", "/");
  assert.is(other.kind === "postgresql" && other.port, 80);
});

test("another scheme is refused with those that there are, and a URL that is none without what it holds", () => {
  const told = (url: string): VarveError => {
    try {
      parseDatabaseUrl(url, "/");
    } catch (error) {
      return error as VarveError;
    }
    throw new Error(`taken: ${url}`);
  };
  assert.match(told("oracle://u:secret@h/d").hint!, /sqlite:\/\/, postgresql:\/\/.*mariadb:\/\//);
  for (const url of [
    "oracle://u:secret@h/d",
    "secret",
    "postgresql://u:secret@h",
    "postgresql://u:secret%@h/d",
    "mysql://u:secret@h:99999999/d",
    "postgresql://me:123/secret@db.example/varve",
    "postgresql://me:123/x/secret",
    "postgresql://me:123/x?secret@db.example/varve",
    "mariadb://me:123/x#secret@db.example/varve",
    "sqlite://secret",
    "sqlite:///:memory:",
    "sqlite:///x.db?secret=1",
  ]) {
    const error = told(url);
    assert.is(error.code, "CONFIG", url);
    assert.ok(error.hint);
    assert.not.match(`${error.message} ${error.hint} ${JSON.stringify(error)} ${error.cause}`, /secret/);
  }
});

test("a parameter that the driver does not know is refused by its name", async () => {
  const error = await rejected(
    openMetadata("mysql://h/d?ssl_passphrase=secret", { create: true, readOnly: false }),
    "CONFIG",
  );
  assert.match(error.message, /ssl_passphrase/);
  assert.not.match(error.message, /secret/);
});

test("a driver that is not installed is named, with how to install it", async () => {
  const urls = {
    kysely: "sqlite:///nowhere/x.db",
    libsql: "sqlite:///nowhere/x.db",
    mysql2: "mariadb://h/d",
    pg: "postgres://h/d",
    "kysely,pg": "postgres://h/d",
    "kysely,mysql2": "mysql://h/d",
    "kysely,libsql": "sqlite:///nowhere/x.db",
  };
  const programs = Object.entries(urls).map(
    ([missing, url]) => [missing, new Program("../metadata/driver-program.ts", [missing, url])] as const,
  );
  for (const [missing, program] of programs) {
    const told = await program.expect();
    await program.end();
    const packages = missing.split(",");
    const hint = `npm install ${packages.join(" ")}`;
    assert.equal(told, [{ code: "MISSING_DRIVER", hint, package: packages[0] }]);
  }
});

test("a driver that can't be loaded says why", async () => {
  const error = await rejected(
    importDriver("libsql", async () => {
      throw new Error("wrong ELF class");
    }),
    "MISSING_DRIVER",
  );
  assert.match(error.message, /wrong ELF class/);
});

test("behind all names with a prefix is the next one in the order of their bytes", () => {
  assert.is(behindPrefix("a/b"), "a/c");
  assert.is(behindPrefix("a\ud7ff"), "a\ue000");
  assert.is(behindPrefix("a\u{10ffff}"), "b");
  assert.is(behindPrefix("\u{10ffff}"), undefined);
});

test.run();
