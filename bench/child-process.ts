/** Runs tasks in child processes, each bounded in time. */

import { type ChildProcess, fork } from "node:child_process";
import type { Answer, RoleTask, Task } from "./task.ts";

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
  const answer = await answerOf(child, options);
  // A child that is done ends by itself; it may have a profile to write.
  if (answer.kind !== "done") child.kill("SIGKILL");
  await ended;
  return answer;
}

/** All at once: each says that it is ready, then all are told to begin. A failure of one is the answer. */
export async function runTogether(tasks: readonly RoleTask[], options: ChildOptions): Promise<Answer[]> {
  const children = tasks.map((task) => start(task, options));
  const ended = children.map((child) => new Promise<void>((resolve) => child.once("close", () => resolve())));
  const answersOfAll = () => Promise.all(children.map((child) => answerOf(child, options)));
  const hasFailed = (answers: Answer[]) => answers.some(({ kind }) => kind === "failed");
  let answers: Answer[] = [];
  try {
    answers = await answersOfAll();
    if (hasFailed(answers)) return answers;
    const measured = answersOfAll();
    for (const child of children) child.send("go");
    answers = await measured;
    return answers;
  } finally {
    if (answers.length === 0 || hasFailed(answers)) for (const child of children) child.kill("SIGKILL");
    await Promise.all(ended);
  }
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

function answerOf(child: ChildProcess, { secondsMax, signal }: ChildOptions): Promise<Answer> {
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
