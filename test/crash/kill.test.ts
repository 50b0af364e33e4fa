import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { Random } from "../helpers/random.ts";
import { closeAll } from "../helpers/stores.ts";

const test = suite("kill -9");
test.after.each(killPrograms);
test.after.each(closeAll);

/** Kills; more for a long run: `VARVE_CRASH_KILLS=1000 node --import tsx test/crash/kill.test.ts`. */
const KILLS = Number(process.env.VARVE_CRASH_KILLS ?? 12);
const NAMES = 4;

interface Acknowledged {
  ref: string;
  id: string;
}

/** A writer whose acknowledgements are read as they come. */
class Writer {
  readonly program: Program;
  readonly #acknowledged: Acknowledged[];
  readonly ready: Promise<void>;
  #reading: Promise<void>;

  constructor(home: string, who: string, seed: number, acknowledged: Acknowledged[]) {
    this.program = new Program("../crash/writer.ts", [home, who, String(NAMES), String(seed)]);
    this.#acknowledged = acknowledged;
    this.ready = this.program.expect();
    this.#reading = this.ready.then(() => this.#read());
  }

  async kill(): Promise<void> {
    await this.program.kill();
    await this.#reading;
  }

  async #read(): Promise<void> {
    for (;;) {
      const document = await this.program.next().catch(() => undefined);
      if (document === undefined) return;
      this.#acknowledged.push(document);
    }
  }
}

test("after each kill of one or both writers everything acknowledged is there, once", async () => {
  const random = new Random("kill -9");
  const home = newFolder();
  const file = join(newFolder(), "acknowledged.json");
  const acknowledged: Acknowledged[] = [];
  const start = (who: string) => new Writer(home, who, random.below(1e6), acknowledged);
  const writers = { a: start("a"), b: start("b") };
  for (let kill = 0; kill < KILLS; ) {
    await Promise.all([writers.a.ready, writers.b.ready]);
    await new Promise((resolve) => setTimeout(resolve, random.below(400)));
    const victims = (["a", "b"] as const).filter(() => random.next() < 0.7);
    kill += victims.length;
    await Promise.all(victims.map((who) => writers[who].kill()));
    if (victims.length > 0) {
      // The checker opens beside the one that lives; what that one saves meanwhile is not asked for.
      writeFileSync(file, JSON.stringify(acknowledged));
      const checker = new Program("../crash/checker.ts", [
        home,
        file,
        random.next() < 0.3 ? "rebuild" : "keep",
      ]);
      const { wrong } = await checker.expect();
      assert.equal(wrong, [], `seed ${random.seed}, kill ${kill}`);
      await checker.end();
    }
    for (const who of victims) writers[who] = start(who);
  }
  await Promise.all([writers.a.ready, writers.b.ready]);
  await Promise.all([writers.a.kill(), writers.b.kill()]);
  writeFileSync(file, JSON.stringify(acknowledged));
  for (const what of ["keep", "rebuild"]) {
    const checker = new Program("../crash/checker.ts", [home, file, what]);
    const { wrong, versions } = await checker.expect();
    assert.equal(wrong, [], `seed ${random.seed}, ${what}`);
    assert.ok(versions >= acknowledged.length);
    await checker.end();
  }
  console.log(`kill -9: ${acknowledged.length} acknowledged saves`);
});

test.run();
