import type { Fault } from "./fault.ts";

const D = "engine/directory/";
const T = (name: string): string => `directory/${name}.test.ts`;

/** Of folders that another thread reads. */
export const directoryThreadFaults: Fault[] = [
  {
    name: "a thread is begun again as soon as a few files have changed",
    file: `${D}capture.ts`,
    text: "        this.#aloneUpTo = 2 * this.#filesFound;\n",
    replacement: "",
    tests: [T("second-thread-changes")],
  },
  {
    name: "the rest of a scan begins at the beginning",
    file: `${D}capture.ts`,
    text: "scanTree(this.#root, ignore, { signal, behind })",
    replacement: "scanTree(this.#root, ignore, { signal, behind: behind && undefined })",
    tests: [T("second-thread-changes")],
  },
  {
    name: "the other thread's rest of a scan begins at the beginning",
    file: `${D}second-capture-program.ts`,
    text: "new IgnoreRules(ignore), { behind }))",
    replacement: "new IgnoreRules(ignore), { behind: behind && undefined }))",
    tests: [T("second-thread-changes")],
  },
  {
    name: "the thread that looks at a folder goes on when the save has failed",
    file: `${D}second-capture.ts`,
    text: "      await this.#worker.terminate();\n",
    replacement: "",
    tests: [T("second-thread")],
  },
  {
    name: "a folder is looked at again when the other thread ended in the middle",
    file: `${D}second-capture.ts`,
    text: "    if (hasBegun) throw endedEarly(cause);\n",
    replacement: "    void hasBegun;\n    void endedEarly;\n    void cause;\n",
    tests: [T("second-thread")],
  },
  {
    name: "the files of a copied tree are read by one thread",
    file: `${D}capture.ts`,
    text: "return !this.#options.earlier || 2 *",
    replacement: "return !this.#options.earlier || 0 *",
    tests: [T("second-thread-changes")],
  },
  {
    name: "the other thread reads a folder to its end though most of it is as it was",
    file: `${D}capture.ts`,
    text: "    if (this.#options.earlier?.hasPiece(put)) this.#filesReadInVain += fileCount;\n",
    replacement: "    void put;\n",
    tests: [T("second-thread-changes")],
  },
  {
    name: "a file that the other thread did not look at changed while it was read",
    file: `${D}second-capture-program.ts`,
    text: "return dev === device && isSettled(",
    replacement: "return dev === device || isSettled(",
    tests: [T("second-thread-changes")],
  },
  {
    name: "times that are not settled are believed by the other thread",
    file: `${D}second-capture-program.ts`,
    text: "settledStamp(stored.file.stamp, task.beganNs)",
    replacement: "settledStamp(stored.file.stamp, task.beganNs + 10n ** 19n)",
    tests: [T("second-thread")],
  },
  {
    name: "a piece of the other thread names a content twice",
    file: `${D}piece-taker.ts`,
    text: "all.length === referenceCount ? all",
    replacement: "all.length >= referenceCount ? all",
    tests: [T("second-thread-changes")],
  },
  {
    name: "the other thread reads as far ahead as it can",
    file: `${D}second-capture-program.ts`,
    text: "while (untaken === ANSWERS_MAX)",
    replacement: "while (untaken === 1_000 * ANSWERS_MAX)",
    tests: [T("second-thread")],
  },
  {
    name: "a few files are given to another thread",
    file: `${D}many-entries.ts`,
    text: "const ENTRIES_MIN = 4_000;",
    replacement: "const ENTRIES_MIN = 4;",
    tests: [T("second-thread")],
  },
];
