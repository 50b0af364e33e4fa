import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Logger, StoreOptions } from "../engine/api.ts";
import { VarveError } from "../engine/errors.ts";
import { openStore } from "../engine/main.ts";
import type { Places } from "../engine/ports/places.ts";
import { failure } from "./helpers/errors.ts";
import { newFolder } from "./helpers/folders.ts";
import { closeAll, newStore, openTestStore } from "./helpers/stores.ts";

const test = suite("logging");
test.after.each(closeAll);

/** What a database is given to log to. */
async function loggerWith(options: StoreOptions): Promise<Logger> {
  let given: Logger | undefined;
  const places: Places = {
    async openMetadata(_, { logger }) {
      given = logger;
      throw new VarveError("UNAVAILABLE", "it only looks at the logger");
    },
    openBlobs: () => Promise.reject(new Error("it is not asked for")),
    openBackend: () => Promise.reject(new Error("it is not asked for")),
  };
  const home = join(newFolder(), "home");
  await failure(openStore({ home, databaseUrl: "sqlite:///x", ...options }, places), "UNAVAILABLE");
  return given!;
}

test("what a logger throws does not reach the store", async () => {
  const logged: string[] = [];
  class Throwing implements Logger {
    readonly #fail = (message: string) => {
      logged.push(message);
      throw new VarveError("IO", "no space left");
    };
    debug(message: string) {
      this.#fail(message);
    }
    info(message: string) {
      this.#fail(message);
    }
    warn(message: string) {
      this.#fail(message);
    }
    error(message: string) {
      this.#fail(message);
    }
  }
  const logger = await loggerWith({ logger: new Throwing() });
  for (const level of ["debug", "info", "warn", "error"] as const) logger[level](level);
  assert.equal(logged, ["debug", "info", "warn", "error"]);
  await (await newStore({ logger: new Throwing() })).save("a", 1);
});

test("a log file that can no longer be written to loses lines, and nothing else", async () => {
  const loggingFile = join(newFolder(), "varve.log");
  const logger = await loggerWith({ loggingFile });
  logger.warn("kept");
  assert.match(readFileSync(loggingFile, "utf8"), '"kept"');
  rmSync(loggingFile);
  mkdirSync(loggingFile);
  logger.warn("lost");
  logger.warn("no JSON", { amount: 1n });
});

test("the log file may be in a home that is made with the store", async () => {
  const home = join(newFolder(), "home");
  const loggingFile = join(home, "varve.log");
  await failure(openTestStore(home, { loggingFile, create: false }), "NOT_FOUND");
  assert.not(existsSync(home));
  await openTestStore(home, { loggingFile });
  assert.is(readFileSync(loggingFile, "utf8"), "");
});

test("a log file that can't be made is told at once, and the store is closed", async () => {
  const home = newFolder();
  const loggingFile = join(home, "none", "varve.log");
  await failure(openTestStore(home, { loggingFile }), "IO");
  assert.equal(heldFiles(home), []);
});

test("who only reads makes no log file, and needs none", async () => {
  const home = newFolder();
  await (await openTestStore(home)).close();
  for (const folder of [home, join(home, "none")]) {
    const loggingFile = join(folder, "varve.log");
    await openTestStore(home, { loggingFile, readOnly: true });
    assert.not(existsSync(loggingFile));
  }
});

/** Of this process, in `folder`. */
function heldFiles(folder: string): string[] {
  return readdirSync("/proc/self/fd")
    .flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`)];
      } catch {
        // That of the list itself.
        return [];
      }
    })
    .filter((path) => path.startsWith(`${folder}/`));
}

test.run();
