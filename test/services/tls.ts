import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { PROGRAMS } from "./programs.ts";
import type { DatabaseName, ServerProgram } from "./server.ts";

/** Servers with a certificate that an authority of their own has given them. */

export interface Certificates {
  /** Of the authority that has given the certificate to the server. */
  authority: string;
  /** Of another one. */
  stranger: string;
}

export function certificatesIn(folder: string): Certificates {
  return { authority: join(folder, "authority.pem"), stranger: join(folder, "stranger.pem") };
}

/** Options of each server for its key and its certificate. */
const OPTIONS: Record<DatabaseName, (key: string, certificate: string) => string[]> = {
  postgresql: (key, certificate) =>
    ["ssl=on", `ssl_key_file=${key}`, `ssl_cert_file=${certificate}`].flatMap((each) => ["-c", each]),
  mariadb: (key, certificate) => [`--ssl-key=${key}`, `--ssl-cert=${certificate}`],
};

/** Whom the certificate is for. MariaDB's driver knows no addresses. */
const NAMES: Record<DatabaseName, string> = { postgresql: "IP:127.0.0.1", mariadb: "DNS:localhost" };

/** Who is to come encrypted: MariaDB refuses them otherwise, as PostgreSQL tells who came how. */
export const ENCRYPTED = "encrypted";
export const SECRET = "p";

/** What makes that user: of MariaDB done as it starts. */
export const USERS: Record<DatabaseName, string> = {
  postgresql: `create role ${ENCRYPTED} login superuser password '${SECRET}'`,
  mariadb:
    `create user if not exists ${ENCRYPTED}@'%' identified by '${SECRET}' require ssl;\n` +
    `grant all on *.* to ${ENCRYPTED}@'%';\n`,
};

export function withTls(name: DatabaseName): ServerProgram {
  const program = PROGRAMS[name];
  const key = (folder: string) => join(folder, "server.key");
  const certificate = (folder: string) => join(folder, "server.pem");
  return {
    ...program,
    initialize(folder) {
      const { authority, stranger } = certificatesIn(folder);
      const authorityKey = join(folder, "authority.key");
      const given = [
        ...["-addext", `subjectAltName=${NAMES[name]}`, "-addext", "basicConstraints=critical,CA:FALSE"],
        ...["-CA", authority, "-CAkey", authorityKey],
      ];
      return [
        ...program.initialize(folder),
        certificateOf("authority", authorityKey, authority),
        certificateOf("stranger", join(folder, "stranger.key"), stranger),
        [...certificateOf("server", key(folder), certificate(folder)), ...given],
      ];
    },
    command(folder, port) {
      const command = program.command(folder, port);
      // Others may not make users there.
      if (program.name === "mariadb") appendFileSync(join(folder, "first.sql"), USERS.mariadb);
      return [...command, ...OPTIONS[name](key(folder), certificate(folder))];
    },
  };
}

function certificateOf(name: string, key: string, certificate: string): string[] {
  const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key];
  return ["openssl", "req", "-x509", ...made, "-days", "2", "-subj", `/CN=${name}`, "-out", certificate];
}
