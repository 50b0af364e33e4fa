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
    text: "new PageItems(this.iterate(options, begin), () => this.#refusal(options))",
    replacement: "new PageItems(this.iterate(options, begin), () => undefined)",
    tests: ["store/list.test.ts"],
  },
  {
    name: "an item is given before one that was asked for earlier",
    file: "engine/page-items.ts",
    text: "if (this.#running || this.#at",
    replacement: "if (this.#at",
    tests: ["engine/page-items.test.ts"],
  },
  {
    name: "each item of a listing is waited for",
    file: "engine/page-items.ts",
    text: "this.#at === this.#page.length || this.#refusal())",
    replacement: "this.#at >= 0)",
    tests: ["engine/page-items.test.ts"],
  },
  {
    name: "what gives the pages of a listing goes on behind its end",
    file: "engine/page-items.ts",
    text: "    await this.#pages.return(undefined);\n",
    replacement: "",
    tests: ["engine/page-items.test.ts"],
  },
  {
    name: "names of a listing are in the order of JavaScript where aliases are looked for",
    file: "engine/alias-rows.ts",
    text: "after === undefined || compareBytes(name, after) > 0",
    replacement: "after === undefined || name > after",
    tests: ["list/aliases.test.ts"],
  },
  {
    name: "the next name that has aliases is taken for one that has none",
    file: "engine/alias-rows.ts",
    text: "compareBytes(name, before) < 0",
    replacement: "compareBytes(name, before) <= 0",
    tests: ["list/aliases.test.ts"],
  },
  {
    name: "aliases are looked for again for each name that has none",
    file: "engine/alias-rows.ts",
    text: "if (this.#gap && isIn(name, this.#gap))",
    replacement: "if (this.#gap?.after && isIn(name, this.#gap))",
    tests: ["list/aliases.test.ts"],
  },
  {
    name: "a star at the end of a pattern goes across levels",
    file: "engine/glob.ts",
    text: 'if (only === STAR) return (text) => !text.includes("/", from);',
    replacement: "if (only === STAR) return () => true;",
    tests: ["list/glob.test.ts"],
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
