/**
 * The test of the tests: puts each fault into a copy of the repository and runs the tests that must notice.
 * `node --import tsx test/faults/run.ts [part of a name, or of its file's path] …`; it ends with 1 when a fault was not caught.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Fault } from "./fault.ts";
import { faults } from "./faults.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const MINUTES_MAX = 3;

function copyOf(fault: Fault | undefined): string {
  const copy = mkdtempSync(join(tmpdir(), "varve-fault-"));
  const results = join(root, "bench/results");
  for (const name of ["engine", "adapters", "cli", "bench", "test", "package.json", "tsconfig.json"]) {
    cpSync(join(root, name), join(copy, name), { recursive: true, filter: (path) => path !== results });
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  if (fault) {
    const path = join(copy, fault.file);
    const source = readFileSync(path, "utf8");
    const parts = source.split(fault.text);
    if (parts.length !== 2) throw new Error(`${fault.file} has it ${parts.length - 1} times: ${fault.text}`);
    writeFileSync(path, parts.join(fault.replacement));
  }
  return copy;
}

/** Which file of tests notices, if any. */
function noticing(copy: string, tests: string[]): string | undefined {
  for (const test of tests) {
    const { status, signal } = spawnSync(process.execPath, ["--import", "tsx", join("test", test)], {
      cwd: copy,
      timeout: MINUTES_MAX * 60_000,
      stdio: "ignore",
    });
    if (status !== 0) return signal ? `${test}, ended by ${signal}` : test;
  }
  return undefined;
}

const parts = process.argv.slice(2);
const wanted = faults.filter(
  ({ name, file }) => parts.length === 0 || parts.some((part) => name.includes(part) || file.includes(part)),
);
let missed = 0;
const healthy = copyOf(undefined);
const failing = noticing(healthy, [...new Set(wanted.flatMap(({ tests }) => tests))]);
rmSync(healthy, { recursive: true });
if (failing) console.log(`without any fault, ${failing} fails: what follows says little`);
for (const fault of wanted) {
  try {
    const copy = copyOf(fault);
    const test = noticing(copy, fault.tests);
    rmSync(copy, { recursive: true });
    if (!test) missed++;
    console.log(`${test ? "caught" : "NOT CAUGHT"}  ${fault.name}${test ? `  (${test})` : ""}`);
  } catch (error) {
    missed++;
    console.log(`NOT PLACED  ${fault.name}: ${(error as Error).message}`);
  }
}
console.log(`${wanted.length - missed} of ${wanted.length} faults caught`);
process.exitCode = missed > 0 || failing ? 1 : 0;
