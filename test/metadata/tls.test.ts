import { chmodSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { apply, rejected, save } from "../conformance/metadata-support.ts";
import { newFolder } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";
import { type DatabaseName, Server } from "../services/server.ts";
import { ask, type Fresh, hasService, newDatabase, urlOf } from "../services/services.ts";
import { type Certificates, certificatesIn, ENCRYPTED, SECRET, USERS, withTls } from "../services/tls.ts";
import { endAll, openTest, WRITABLE } from "./support.ts";

const NAME = "metadata: encrypted connections to servers with certificates";
const test = suite(NAME);
test.after.each(endAll);

interface Trials {
  /** Of URLs whose connections are encrypted, with the host that is in the certificate. */
  good: string[];
  /** Those that do so whatever the certificate says of the host. */
  anyHost: string[];
  /** Whom they would trust has not given the certificate, or nobody has been named, or a file is none. */
  bad: string[];
  /** The certificate is good, and of another host. */
  badHost: string[];
  /** The question that tells whether this connection is encrypted. */
  isEncrypted: string;
}

const trialsOf: Record<DatabaseName, (certificates: Certificates) => Trials> = {
  postgresql: ({ authority, stranger }) => ({
    good: [`sslmode=verify-full&sslrootcert=${authority}`],
    anyHost: ["sslmode=require", "sslmode=prefer", `sslmode=verify-ca&sslrootcert=${authority}`],
    bad: [
      `sslmode=verify-full&sslrootcert=${stranger}`,
      `sslmode=verify-ca&sslrootcert=${stranger}`,
      `sslmode=require&sslrootcert=${stranger}`,
      "sslmode=verify-full",
      "sslmode=verify-ca",
      `sslmode=verify-full&sslrootcert=${authority}.none`,
    ],
    badHost: [`sslmode=verify-full&sslrootcert=${authority}`],
    isEncrypted: "select count(*) as n from pg_stat_ssl s join pg_stat_activity a using (pid) where s.ssl",
  }),
  mariadb: ({ authority, stranger }) => ({
    good: [
      `ssl_mode=VERIFY_IDENTITY&ssl_ca=${authority}`,
      `ssl_verify_identity=true&ssl_verify_cert=true&ssl_ca=${authority}`,
    ],
    anyHost: [
      "ssl=true",
      "ssl_mode=REQUIRED",
      `ssl_mode=VERIFY_CA&ssl_ca=${authority}`,
      `ssl_ca=${authority}`,
    ],
    bad: [
      `ssl_mode=VERIFY_IDENTITY&ssl_ca=${stranger}`,
      `ssl_mode=VERIFY_CA&ssl_ca=${stranger}`,
      `ssl_ca=${stranger}`,
      "ssl_mode=VERIFY_IDENTITY",
      "ssl_verify_cert=true",
      `ssl_mode=VERIFY_CA&ssl_ca=${authority}.none`,
    ],
    badHost: [`ssl_mode=VERIFY_IDENTITY&ssl_ca=${authority}`],
    isEncrypted:
      "select count(*) as n from information_schema.processlist p where p.user = 'encrypted' and p.db is not null",
  }),
};

for (const service of ["postgresql", "mariadb"] as const) {
  if (!hasService(service, NAME)) continue;
  let server: Server;
  let fresh: Fresh;
  let trials: Trials;
  const [host, otherHost] =
    service === "postgresql" ? (["127.0.0.1", "localhost"] as const) : (["localhost", "127.0.0.1"] as const);
  const urlAt = (query: string, at: string) =>
    `${urlOf(fresh, ENCRYPTED, SECRET).replace("127.0.0.1", at)}?${query}`;

  test(`${service}: a server with a certificate is there`, async () => {
    const folder = newFolder("/dev/shm");
    chmodSync(folder, 0o755);
    server = await Server.start(withTls(service), join(folder, service));
    fresh = await newDatabase(service, server.port);
    trials = trialsOf[service](certificatesIn(server.folder));
    if (service === "postgresql") await ask(service, fresh, USERS.postgresql);
  });

  test(`${service}: whom the URL trusts is trusted, and the connection is encrypted`, async () => {
    const urls = [
      ...[...trials.good, ...trials.anyHost].map((query) => urlAt(query, host)),
      ...trials.anyHost.map((query) => urlAt(query, otherHost)),
    ];
    for (const url of urls) {
      const store = await openTest(url, WRITABLE).catch((error) => {
        throw new Error(`${url}: ${error.message}`, { cause: error });
      });
      await apply(store, save("a"));
      assert.ok(Number((await ask(service, fresh, trials.isEncrypted))[0]!.n) > 0, url);
      await store.close();
    }
  });

  test(`${service}: whom the URL does not trust is refused, with what to look at`, async () => {
    const urls = [
      ...trials.bad.map((query) => urlAt(query, host)),
      ...trials.badHost.map((query) => urlAt(query, otherHost)),
    ];
    for (const url of urls) {
      const error = await rejected(openTest(url, WRITABLE), "CONFIG").catch((other) => {
        throw new Error(`${url}: ${other.message}`, { cause: other });
      });
      assert.ok(error.hint, url);
      assert.match(`${error.message} ${error.hint}`, /ssl/, url);
    }
    assert.is(await fresh.connections(), 0);
  });

  test(`${service}: it ends`, async () => {
    await server.stop();
  });
}

test.run();
