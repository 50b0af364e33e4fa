import { LockEnvironment } from "../../engine/index/lock.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import type { Home } from "../../engine/maintenance/home.ts";
import { LiveIndex } from "../../engine/maintenance/live-index.ts";
import { track } from "./stores.ts";

const WAIT_MILLISECONDS = 5_000;

/** One of several users of a home in this process, without the core that those who open it would share. */
export interface OpenIndex {
  lock: LockEnvironment;
  live: LiveIndex;
  /** What went wrong and failed no call. */
  troubles: string[];
  close(): Promise<void>;
}

export async function openLiveIndex(folder: string, options: Partial<Home> = {}): Promise<OpenIndex> {
  const lock = new LockEnvironment(folder);
  const troubles: string[] = [];
  const home: Home = {
    files: nodeFileSystem,
    folder,
    application: "artifact",
    checkpointBatchesMin: 100_000,
    closing: (close) => lock.closing(WAIT_MILLISECONDS, close),
    now: () => Date.now(),
    onProblem: ({ message }) => void troubles.push(message),
    onTrouble: (message, error) => void troubles.push(`${message}: ${error}`),
    ...options,
  };
  await lock.hold(() => lock.register(false));
  const live = await lock.hold(() => new LiveIndex(home, lock, WAIT_MILLISECONDS));
  return track({ lock, live, troubles, close: () => live.close(live.state.tail.sequence) });
}
