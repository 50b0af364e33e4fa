/**
 * Counts up in the shared state under the lock: an increment is lost if two hold it together. With `reopen` it is
 * closed and opened again all the time.
 */
import { LockEnvironment } from "../../engine/index/lock.ts";

const [home, how, count] = process.argv.slice(2) as [string, "hold" | "holdSync" | "reopen", string];
let lock = new LockEnvironment(home);
console.log(JSON.stringify({ ready: true }));
await new Promise((resolve) => process.stdin.once("data", resolve));
for (let i = 0; i < Number(count); i++) {
  await lock[how === "reopen" ? "hold" : how](() => {
    const state = lock.state()!;
    lock.setState({ ...state, generation: state.generation + 1 });
  });
  if (how !== "reopen") continue;
  await lock.close();
  lock = new LockEnvironment(home);
}
await lock.close();
console.log(JSON.stringify({ done: true }));
process.stdin.destroy();
