/** Runs tasks in child processes, each bounded in time. */

import { type ChildProcess, fork } from "node:child_process";
import type { Answer, Task } from "./task.ts";

export interface ChildOptions {
  /** The built `child.js`. */
  script: string;
  secondsMax: number;
  signal: AbortSignal;
  /** Where the child writes a profile of what it does. */
  profileFolder?: string;
}

/** Gives the answer, or says in words why there is none. The child has ended afterwards. */
export async function runTask(task: Task, options: ChildOptions): Promise<Answer> {
  const child = start(task, options);
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const answer = await toldBy(child, options);
  // A child that is done ends by itself; it may have a profile to write.
  if (answer.kind !== "done") child.kill("SIGKILL");
  await ended;
  return answer;
}

/** As `runTask`, for who can't go on without the answer. @param profile where the child writes one */
export async function answerOf(
  task: Task,
  { profile, ...options }: Omit<ChildOptions, "profileFolder"> & { profile: string | undefined },
): Promise<Exclude<Answer, { kind: "failed" }>> {
  const answer = await runTask(task, {
    ...options,
    ...(profile === undefined ? {} : { profileFolder: profile }),
  });
  if (answer.kind !== "failed") return answer;
  throw new Error("step" in task ? `${task.step}: ${answer.message}` : answer.message);
}

function start(task: Task, { script, profileFolder }: ChildOptions): ChildProcess {
  const profile =
    profileFolder === undefined
      ? []
      : ["--cpu-prof", `--cpu-prof-dir=${profileFolder}`, `--cpu-prof-name=${profileName(task)}`];
  const child = fork(script, [], {
    execArgv: ["--expose-gc", "--enable-source-maps", ...profile],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  child.send(task);
  return child;
}

/** Such as `save-varve-1234.cpuprofile`. */
function profileName(task: Task): string {
  const what =
    task.kind === "measure" ? task.workload : task.kind === "recover" ? `recovery-${task.step}` : task.kind;
  return `${what}-${task.subject.replaceAll("/", "-")}-${Date.now()}.cpuprofile`;
}

function toldBy(child: ChildProcess, { secondsMax, signal }: ChildOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (message: string) => resolve({ kind: "failed", message });
    const timer = setTimeout(() => fail(`took longer than ${secondsMax} s`), secondsMax * 1_000);
    const interrupt = (): void => {
      child.kill("SIGKILL");
      reject(signal.reason);
    };
    signal.addEventListener("abort", interrupt, { once: true });
    child.once("message", (answer: Answer) => resolve(answer));
    child.once("error", (error) => fail(error.message));
    child.once("close", (code, killedBy) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", interrupt);
      fail(`ended with ${killedBy ?? code} before it answered`);
    });
  });
}
