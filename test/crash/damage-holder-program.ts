/** Saves one value after another and prints what was acknowledged, whatever becomes of the locks meanwhile. */
import { writeSync } from "node:fs";
import { openStore } from "../../engine/main.ts";

const { home }: { home: string } = JSON.parse(process.argv[2]!);
const say = (document: object) => writeSync(1, `${JSON.stringify(document)}\n`);
process.on("uncaughtException", (error) => say({ uncaught: String(error.stack).slice(0, 300) }));

const store = await openStore({ home, environment: false, lockWaitMax: 500 });
for (let n = 0; ; n++) {
  try {
    const { ref } = await store.save("live", { n });
    say({ ref, n });
  } catch (error) {
    const { name, code, message } = error as Error & { code?: string };
    say({ failed: `${name} ${code}: ${message}`.slice(0, 200) });
  }
  await new Promise((resolve) => setTimeout(resolve, 10));
}
