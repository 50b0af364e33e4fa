import type { Fault } from "./fault.ts";

const CACHE = "engine/read-cache.ts";
const TEST = "engine/read-cache.test.ts";

/** Of the read path. */
export const readingFaults: Fault[] = [
  {
    name: "what was overwritten in the cache is given",
    file: CACHE,
    text: "return position > 0 && position + this.#memory.length >= this.#end;",
    replacement: "return position > 0;",
    tests: [TEST],
  },
  {
    name: "the cache gives what has another key",
    file: CACHE,
    text: "if (this.isKept(position) && isAt(memory, position % memory.length, key)) return position;",
    replacement: "if (this.isKept(position)) return position;",
    tests: [TEST],
  },
  {
    name: "what is read once drives others out of the cache",
    file: CACHE,
    text: "if (this.#end <= this.#bytesMax) return true;",
    replacement: "if (this.#end > 0) return true;",
    tests: [TEST],
  },
  {
    name: "nothing gets into a full cache",
    file: CACHE,
    text: "if (this.#marks[read] === mark) return true;",
    replacement: "",
    tests: [TEST],
  },
  {
    name: "an entry goes over the end of the cache",
    file: CACHE,
    text: "if (length > left) this.#end += left;",
    replacement: "void left;",
    tests: [TEST],
  },
  {
    name: "what was cached is lost when the cache grows",
    file: CACHE,
    text: "this.#memory.set(before);",
    replacement: "this.#memory.fill(0);",
    tests: [TEST],
  },
  {
    name: "records are not told apart in the cache",
    file: "engine/content-reader.ts",
    text: "writeUint53(key, sequence, 4);",
    replacement: "if (sequence > 0) return key.fill(1);",
    tests: [TEST],
  },
  {
    name: "keys of names that are not ASCII hold other bytes",
    file: "engine/artifact-record.ts",
    text: "if (unit > 0x7f) return otherNameKey(space, name, tail);",
    replacement: "",
    tests: ["store/names.test.ts"],
  },
  {
    name: "a name that is not there is another one that comes behind it",
    file: "engine/index/raw-entry.ts",
    text: "if (keyBytes[keyStart + i] !== start[i]) return false;",
    replacement: "if (!keyBytes) return false;",
    tests: ["index/first-entry.test.ts"],
  },
  {
    name: "what lies in memory before a look-up is taken for its value",
    file: "engine/index/first-entry.ts",
    text: "readUint32(values, 0) === NOT_WRITTEN",
    replacement: "values.length === 0",
    tests: ["index/first-entry.test.ts"],
  },
  {
    name: "a call that fails at once is not tried again",
    file: "engine/call-guard.ts",
    text: "    } catch (error) {\n      first = Promise.reject(error);\n    }",
    replacement: "    } catch (error) {\n      this.#leave();\n      return Promise.reject(error);\n    }",
    tests: ["engine/heal.test.ts", "engine/call-guard.test.ts"],
  },
  {
    name: "what comes before an artifact that can't be read is not listed",
    file: "engine/list.ts",
    text: "  } finally {\n    if (artifacts.length > 0) yield artifacts;\n  }",
    replacement: "  } finally {\n    void 0;\n  }\n  if (artifacts.length > 0) yield artifacts;",
    tests: ["store/list.test.ts"],
  },
  {
    name: "a listing goes on in a closed store, and when it was aborted",
    file: "engine/call-guard.ts",
    text: "      for (const item of page) {\n        this.check(options);\n",
    replacement: "      for (const item of page) {\n",
    tests: ["store/list.test.ts"],
  },
  {
    name: "a sync that is waited for is waited for twice, and once by nobody",
    file: "engine/versions.ts",
    text: "    return this.#loadAny(found, unsettled, options);",
    replacement: "    return this.#loadAny(found, this.settle(found), options);",
    tests: ["engine/commit-failing.test.ts"],
  },
  {
    name: "only versions right above a damaged part are told of it",
    file: "engine/needed-by.ts",
    text: "while (await this.#goUp());",
    replacement: "void this.#goUp;",
    tests: ["large/directories-failing.test.ts"],
  },
  {
    name: "a directory is not saved where the index was made anew",
    file: "engine/store.ts",
    text: "this.core.reading(() => this.#versions.newest(name, MEDIA_TYPE_DIRECTORY));",
    replacement: "this.#versions.newest(name, MEDIA_TYPE_DIRECTORY);",
    tests: ["engine/replaced-index.test.ts"],
  },
];
