/** Counts up in the shared state under the lock: an increment is lost if two hold it together. */
import { LockEnvironment } from "../../engine/index/lock.ts";

const [home, how, count] = process.argv.slice(2) as [string, "hold" | "holdSync", string];
const lock = new LockEnvironment(home);
console.log(JSON.stringify({ ready: true }));
await new Promise((resolve) => process.stdin.once("data", resolve));
for (let i = 0; i < Number(count); i++) {
  await lock[how](() => {
    const state = lock.state()!;
    lock.setState({ ...state, generation: state.generation + 1 });
  });
}
await lock.close();
console.log(JSON.stringify({ done: true }));
process.stdin.destroy();
