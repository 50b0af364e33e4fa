/** Has the lock of a home, stopping its own event loop, and says so; and when it has let go, which takes a while. */
import { LockEnvironment } from "../../engine/index/lock.ts";

const MILLISECONDS = 20_000;

const lock = new LockEnvironment(process.argv[2]!);
lock.holdSync(() => {
  console.log(JSON.stringify({ held: true }));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, MILLISECONDS);
});
console.log(JSON.stringify({ held: false }));
await lock.close();
