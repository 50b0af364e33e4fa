import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { Program } from "../helpers/processes.ts";
import { Random } from "../helpers/random.ts";
import { runIoErrors } from "./io-errors.ts";

const test = suite("errors of the disk");
test.after.each(removeFolders);

/** `VARVE_IO_ERROR_TRIALS=all`: every fault that there is. */
const asked = process.env.VARVE_IO_ERROR_TRIALS ?? "350";

test("whatever call to the disk fails, the store says so and is what it said", async () => {
  const { seed } = new Random("errors of the disk");
  const options = asked === "all" ? { seed } : { seed, trials: Number(asked) };
  const { counts, violations } = await runIoErrors(options);
  assert.equal(violations, []);
  assert.is(counts["faults met"], counts.trials, "each fault came to pass");
  assert.ok(counts.trials! >= Math.min(Number(asked) || 0, counts["trials there are"]!));
});

test("whatever file a repair can't open, look at, put aside or replace, the next one mends the log", async () => {
  const calls = ["open", "create", "size", "makeFolder", "link", "replace"];
  const { counts, violations } = await runIoErrors({
    seed: 0,
    isWanted: (operation, code, kind) => operation === "repair" && code === "EIO" && calls.includes(kind),
  });
  assert.equal(violations, []);
  assert.ok(counts.trials! > 10, String(counts.trials));
});

test("a process without file descriptors gets errors, and goes on when there are some again", async () => {
  const program = new Program(
    "../crash/io-errors-program.ts",
    [join(newFolder(), "a"), join(newFolder(), "b")],
    {
      under: ["sh", "-c", 'ulimit -n 128 && exec "$0" "$@"'],
    },
  );
  try {
    const documents = await program.rest();
    const end = documents.at(-1);
    assert.is(end?.end, true, JSON.stringify(documents.slice(-3)));
    const failed = documents.filter(({ error }) => error !== undefined);
    assert.ok(failed.length > 0);
    const wrong = failed.filter(({ error, code }) => error !== "VarveError" || code !== "IO");
    assert.equal(wrong, []);
    assert.is(end.ok, true);
    assert.is(end.versions, end.saved, "a save that failed left nothing, one that was acknowledged is there");
    await program.end();
  } finally {
    await program.kill();
  }
});

test.run();
