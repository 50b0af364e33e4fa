/** Waits for a lock that another process has: on another thread, when its input says so, or on its own while it opens it. */
import { lookingAgain } from "../../engine/index/forgotten-waiters.ts";
import { LockEnvironment } from "../../engine/index/lock.ts";

const [home, where] = process.argv.slice(2) as [string, "another thread" | "its own"];
const say = (what: string) => console.log(JSON.stringify(what));

if (where === "its own") {
  const lock = lookingAgain(() => new LockEnvironment(home));
  say("had");
  await lock.close();
} else {
  const lock = new LockEnvironment(home);
  say("open");
  await new Promise((resolve) => process.stdin.once("data", resolve));
  await Promise.all([lock.hold(() => {}), lock.hold(() => say("had"))]);
  await lock.close();
}
process.stdin.destroy();
