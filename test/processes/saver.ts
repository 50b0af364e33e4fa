/** Waits for a line, saves `count` values of its own to one name, and prints what was acknowledged. */
import { openStore } from "../../engine/main.ts";

const [home, who, name, count, concurrency] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const store = await openStore({ home, environment: false });
console.log(JSON.stringify({ ready: true }));
await new Promise((resolve) => process.stdin.once("data", resolve));
const saved: { version: number; value: string; sequence: number }[] = [];
const failed: string[] = [];
let next = 0;
async function save(): Promise<void> {
  while (next < Number(count)) {
    const value = `${who}-${next++}`;
    try {
      const { version, sequence } = await store.save(name, value);
      saved.push({ version, value, sequence });
    } catch (error) {
      failed.push(`${(error as { code: string }).code} ${(error as Error).message}`);
    }
  }
}
await Promise.all(Array.from({ length: Number(concurrency) }, save));
await store.close();
console.log(JSON.stringify({ saved, failed }));
process.stdin.destroy();
