import type { Fault } from "./fault.ts";

const TAKEN_IN = "cli/bundle/taken-in.ts";
const built = ["cli/built.test.ts"];

/** Of the command line as it is built: what it has in it, and what it looks for. */
export const commandLineFaults: Fault[] = [
  {
    name: "the command line looks for lmdb-js when it is started",
    file: TAKEN_IN,
    text: '  lmdb: "lmdb/node-index.js",\n',
    replacement: "",
    tests: built,
  },
  {
    name: "the command line looks for cbor-x when it is started",
    file: TAKEN_IN,
    text: '  "cbor-x": "cbor-x/index.js",\n',
    replacement: "",
    tests: built,
  },
  {
    name: "what needs no engine is in one file with it",
    file: TAKEN_IN,
    text: 'if (kind === "entry-point" || path.endsWith("/engine/config.ts")) return undefined;',
    replacement: "if (!isMeasuring(importer)) return undefined;",
    tests: built,
  },
  {
    name: "the built command line brings adapters of its own",
    file: TAKEN_IN,
    text: 'kind === "entry-point" ? undefined : { path: PACKAGE, external: true },',
    replacement: 'kind === "entry-point" ? undefined : undefined,',
    tests: built,
  },
  {
    name: "varve bench measures the command line's own library",
    file: TAKEN_IN,
    text: 'if (isMeasuring(importer) && path.endsWith("/engine/main.ts")) return { path: PACKAGE, external: true };',
    replacement: 'if (isMeasuring(importer) && path.endsWith("/engine/main.ts")) return undefined;',
    tests: built,
  },
  {
    name: "the JavaScript of one lmdb-js is run with the native part of another",
    file: "cli/lmdb-place.ts",
    text: "if (version === LMDB_VERSION)",
    replacement: "if (version !== undefined)",
    tests: built,
  },
  {
    name: "another lmdb-js ends the command line",
    file: "cli/library.ts",
    text: "!== LMDB_IS_OTHER) throw error;",
    replacement: "!== undefined) throw error;",
    tests: built,
  },
  {
    name: "the hint for a missing database is not varve init",
    file: "cli/context.ts",
    text: "throw isInHome ? missingStore(config.home!) : missingElsewhere(message);",
    replacement: "throw isInHome ? missingStore(config.home!) : error;",
    tests: ["cli/store.test.ts"],
  },
  {
    name: "init takes a store that it has just made for one that was there",
    file: "cli/commands/init.ts",
    text: "created: true };",
    replacement: "created: false };",
    tests: ["cli/store.test.ts"],
  },
  {
    name: "each line of a pipe listens for the end of the session",
    file: "cli/commands/repl.ts",
    text: "      isDone = resolve;",
    replacement: '      isDone = resolve;\n      server.once("exit", resolve);',
    tests: ["cli/repl.test.ts"],
  },
  {
    name: "doctor looks at the disk of the home only",
    file: "cli/doctor/disk.ts",
    text: "...(values && existsSync(values) ? [values] : [])",
    replacement: "...(values && existsSync(values) ? [] : [])",
    tests: ["cli/doctor.test.ts"],
  },
  {
    name: "doctor goes through all of a database",
    file: "cli/doctor/places.ts",
    text: "  if (isCounted) {",
    replacement: "  if (isCounted || !isCounted) {",
    tests: ["cli/doctor.test.ts"],
  },
];
