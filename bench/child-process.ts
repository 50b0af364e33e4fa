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

/** All at once: each says that it is ready, then all are told to begin. A failure of one is the answer. */
export async function runTogether(tasks: readonly RoleTask[], options: ChildOptions): Promise<Answer[]> {
  const children = tasks.map((task) => start(task, options));
  const ended = children.map((child) => new Promise<void>((resolve) => child.once("close", () => resolve())));
  const answersOfAll = () => Promise.all(children.map((child) => toldBy(child, options)));
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
  child.on("error", () => {});
  child.send(task);
  return child;
}

/** Such as `save-varve-1234.cpuprofile`. */
function profileName(task: Task): string {
  const what =
    task.kind === "measure" ? task.workload : task.kind === "recover" ? `recovery-${task.step}` : task.kind;
  return `${what}-${task.subject.replaceAll("/", "-")}-${Date.now()}.cpuprofile`;
}

/** The next answer; a child that ends or takes too long has failed. */
function toldBy(child: ChildProcess, { secondsMax, signal }: ChildOptions): Promise<Answer> {
  return new Promise<Answer>((resolve, reject) => {
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", interrupt);
      child.off("message", onMessage).off("error", onError).off("close", onClose);
      act();
    };
    const fail = (message: string) => settle(() => resolve({ kind: "failed", message }));
    const onMessage = (answer: unknown) => settle(() => resolve(answer as Answer));
    const onError = (error: Error) => fail(error.message);
    const onClose = (code: number | null, killedBy: string | null) =>
      fail(`ended with ${killedBy ?? code} before it answered`);
    const interrupt = (): void => {
      child.kill("SIGKILL");
      settle(() => reject(signal.reason));
    };
    const timer = setTimeout(() => fail(`took longer than ${secondsMax} s`), secondsMax * 1_000);
    signal.addEventListener("abort", interrupt, { once: true });
    child.on("message", onMessage).on("error", onError).on("close", onClose);
  });
}

/** A child that is asked again and again. */
export class AskedChild {
  readonly #child: ChildProcess;
  readonly #options: ChildOptions;
  readonly #ended: Promise<void>;

  private constructor(child: ChildProcess, options: ChildOptions) {
    this.#child = child;
    this.#options = options;
    this.#ended = new Promise((resolve) => child.once("close", () => resolve()));
  }

  /** Ready for questions. */
  static async start(task: Task, options: ChildOptions): Promise<AskedChild> {
    const asked = new AskedChild(start(task, options), options);
    const answer = await toldBy(asked.#child, options);
    if (answer.kind === "ready") return asked;
    await asked.end();
    throw new Error(answer.kind === "failed" ? answer.message : `answered ${answer.kind}`);
  }

  ask(question: string): Promise<Answer> {
    const answer = toldBy(this.#child, this.#options);
    this.#child.send(question);
    return answer;
  }

  /** Nothing that it has open matters. */
  async end(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
