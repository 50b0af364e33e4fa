/** Packages, and the only places that know them. */
export const PACKAGES: Record<string, RegExp> = {
  lmdb: /^(engine\/index\/lmdb\.ts|(cli\/)?bench\/)/,
  "cbor-x": /^(engine\/codec\/|(cli\/)?bench\/)/,
  "xxhash-wasm": /^(engine\/log\/checksum\.ts|(cli\/)?bench\/)/,
  yargs: /^cli\//,
  kysely: /^adapters\/metadata\/query-builder\.ts$/,
  libsql: /^(adapters\/metadata\/dialects\/sqlite\.ts|(cli\/)?bench\/)/,
  pg: /^(adapters\/metadata\/dialects\/postgresql\.ts|bench\/)/,
  mysql2: /^(adapters\/metadata\/dialects\/mysql\.ts|bench\/)/,
  yaml: /^adapters\/mlflow\/model\//,
};
