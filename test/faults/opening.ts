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
];
