import type { Fault } from "./fault.ts";

/** What is looked at, and made, when a store is opened. */
export const openingFaults: Fault[] = [
  {
    name: "a logger that throws decides what a commit does",
    file: "engine/open-store.ts",
    text: "if (logger) settings.logger = quietLogger(logger);",
    replacement: "if (logger) settings.logger = logger;",
    tests: ["logging.test.ts"],
  },
  {
    name: "a password with a space is shown",
    file: "engine/secrets.ts",
    text: "return scheme === undefined ? redactUrl(text) : redacted(scheme, rest!);",
    replacement: "return scheme === undefined ? redactUrl(text) : redactUrl(scheme + rest!);",
    tests: ["cli/config-values.test.ts"],
  },
  {
    name: "a password that begins with digits is a port",
    file: "engine/secrets.ts",
    text: "(:\\d*)?|[^:@]*)$/",
    replacement: "|[^:@]*)(:\\d*)?$/",
    tests: ["cli/config-values.test.ts"],
  },
  {
    name: "an empty place for values is the current folder",
    file: "engine/open-store.ts",
    text: 'if (settings[name] !== undefined && KINDS[item] !== "size")',
    replacement: 'if (settings[name] !== undefined && KINDS[item] === "size")',
    tests: ["opening.test.ts"],
  },
  {
    name: "a relative URL is a folder of the root",
    file: "adapters/places.ts",
    text: "/^file:\\/\\//i.test(location)",
    replacement: "/^file:/i.test(location)",
    tests: ["opening.test.ts"],
  },
  {
    name: "who only reads makes a log file",
    file: "engine/open-store.ts",
    text: "loggingFile !== undefined && !settings.readOnly)",
    replacement: "loggingFile !== undefined)",
    tests: ["logging.test.ts"],
  },
  {
    name: "a store whose log file can't be written stays open",
    file: "engine/open-store.ts",
    text: "    await store.close();\n    throw error;",
    replacement: "    throw error;",
    tests: ["logging.test.ts"],
  },
  {
    name: "a configuration that is being written is replaced by an empty one",
    file: "engine/open-store.ts",
    text: "    linkSync(temporary, path);",
    replacement: '    writeFileDurably(path, "{}\\n");',
    tests: ["opening.test.ts"],
  },
  {
    name: "a session goes to another home with the process",
    file: "engine/session.ts",
    text: "{ ...options, home: home.value as string }",
    replacement: "options",
    tests: ["session.test.ts"],
  },
  {
    name: "a session's relative paths go with the process",
    file: "engine/session.ts",
    text: "loadConfig(given, { cwd: this.#cwd })",
    replacement: "loadConfig(given)",
    tests: ["session.test.ts"],
  },
];
