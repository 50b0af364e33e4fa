import { fileOf, wrong } from "../url.ts";

/** What a URL says of encryption, as the programs of MySQL and MariaDB take it. */

/** As the driver takes it. */
export interface TlsOptions {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
  rejectUnauthorized: boolean;
  verifyIdentity: boolean;
}

const MODES = ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"];

/** @throws CONFIG: what is asked for and can't be had must not go by in silence */
export function tlsOptions(query: URLSearchParams): TlsOptions | undefined {
  const mode = modeOf(query.get("ssl_mode") ?? query.get("ssl-mode"));
  const [ca, cert, key] = ["ssl_ca", "ssl_cert", "ssl_key"].map((name) => fileOf(query, name));
  const verifyIdentity = isOn(query, "ssl_verify_identity") || mode === "VERIFY_IDENTITY";
  const verify = verifyIdentity || isOn(query, "ssl_verify_cert") || mode === "VERIFY_CA";
  const isWanted = ca || cert || isOn(query, "ssl") || verify || mode === "REQUIRED";
  if (!isWanted || mode === "DISABLED") return undefined;
  return {
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    rejectUnauthorized: verify || (ca !== undefined && mode !== "REQUIRED"),
    verifyIdentity,
  };
}

function modeOf(text: string | null): string | undefined {
  if (text === null) return undefined;
  const mode = text.toUpperCase().replaceAll("-", "_");
  if (MODES.includes(mode)) return mode;
  throw wrong("the database URL has an ssl_mode that there is not", `there are ${MODES.join(", ")}`);
}

function isOn(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  if (text === null || /^(0|false|no|off)$/i.test(text)) return false;
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  throw wrong(`${name} in the database URL must be true or false`, `for example ${name}=true`);
}
