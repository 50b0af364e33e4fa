/** Has the store open and holds its lock, stopping its own event loop, until its input says so. */
import { readSync } from "node:fs";
import { LockEnvironment } from "../../engine/index/lock.ts";

const lock = new LockEnvironment(process.argv[2]!);
await lock.hold(() => lock.register(false));
lock.holdSync(() => {
  console.log(JSON.stringify({ held: true }));
  const line = Buffer.alloc(1);
  for (;;) {
    try {
      if (readSync(0, line) > 0) break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
});
await lock.hold(() => lock.unregister());
await lock.close();
