/**
 * Saves in a home whose lock may be taken away under it, and goes on after each failure by closing and opening again.
 * Its input is its life.
 */
import { openSync, writeSync } from "node:fs";
import { openStore, type VarveError } from "../../engine/main.ts";
import { Random } from "../helpers/random.ts";
import type { Told } from "./kill-program.ts";
import { plainKey, valueOfKey } from "./values.ts";

/** The argument, as JSON. */
export interface AloneProgramOptions {
  home: string;
  /** Where it writes what it was told. */
  told: string;
  /** Where it writes what failed. */
  failed: string;
  who: string;
  seed: number;
  durability: "durable" | "buffered";
  names: number;
}

const { home, durability, ...options }: AloneProgramOptions = JSON.parse(process.argv[2]!);
const random = new Random("alone", options.seed);
const told = openSync(options.told, "a", 0o600);
const failed = openSync(options.failed, "a", 0o600);
let over = false;
process.stdin.resume().once("end", () => {
  over = true;
});
let count = 0;
let failures = 0;

/** Whether it went well. */
async function trying(action: () => Promise<void>): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (error) {
    const { code, message } = error as VarveError;
    failures++;
    writeSync(failed, `${code} ${message.replaceAll("\n", " ")}\n`);
    return false;
  }
}

while (!over) {
  await trying(async () => {
    const store = await openStore({
      home,
      durability,
      environment: false,
      minFreeSpace: 0,
      lockWaitMax: 3_000,
    });
    writeSync(1, "open\n");
    const before = failures;
    while (failures === before && !over) {
      const burst = Array.from({ length: 1 + random.below(5) }, () =>
        trying(async () => {
          const key = plainKey(random.below(300), `${options.who}-${count++}`);
          const { ref } = await store.save(`n${random.below(options.names)}`, valueOfKey(key));
          const line: Told = { told: "saved", ref, key };
          writeSync(told, `${JSON.stringify(line)}\n`);
        }),
      );
      await Promise.all(burst);
      await new Promise((resolve) => setTimeout(resolve, random.below(4)));
    }
    await store.close();
  });
}
