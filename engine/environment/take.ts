import { userInfo } from "node:os";
import type { Environment, EnvironmentPart } from "../api.ts";
import { VarveError } from "../errors.ts";
import type { Checkout } from "./git.ts";
import { findCheckout, readHead } from "./git.ts";
import { isDirty, readDiff } from "./git-process.ts";
import { readPackages } from "./packages.ts";

const PARTS: readonly EnvironmentPart[] = ["git", "packages", "command", "diff"];
const DEFAULT_PARTS: readonly EnvironmentPart[] = ["git", "packages"];
/** How long opening waits for git, which mostly needs a tenth of it. */
const OPENING_MILLISECONDS_MAX = 50;

/** @throws INVALID_ARGUMENT */
export function takeParts(option: unknown): readonly EnvironmentPart[] | undefined {
  if (option === false) return undefined;
  if (option === undefined) return DEFAULT_PARTS;
  const sound = Array.isArray(option) && option.every((part) => PARTS.includes(part));
  if (sound) return option;
  throw new VarveError("INVALID_ARGUMENT", "environment must be false or a list of parts", {
    hint: `the parts are ${PARTS.join(", ")}; by default ${DEFAULT_PARTS.join(" and ")} are taken`,
  });
}

/**
 * The environment of this process, taken once, beside the program. What is in files is known when `opened` resolves.
 * What git must be asked (the dirty flag, the diff) is added when git has answered: nobody waits longer than 50 ms for
 * it, and what is saved before has the environment without it. Frozen.
 */
export class TakenEnvironment {
  readonly #parts: readonly EnvironmentPart[];
  readonly #folder: string;
  readonly #stop = new AbortController();
  #current: Environment;
  /** Resolves when nothing more will be known. Never rejects: what can't be told is left out. */
  readonly complete: Promise<void>;
  /** Resolves when what is in files is known, and git has answered or 50 ms have passed. */
  readonly opened: Promise<void>;

  constructor(parts: readonly EnvironmentPart[], folder: string = process.cwd()) {
    this.#parts = parts;
    this.#folder = folder;
    this.#current = inOrder(processParts(parts));
    const packages = this.#readPackages().catch(leaveOut);
    const asksCheckout = parts.includes("git") || parts.includes("diff");
    const checkout = asksCheckout ? findCheckout(folder) : Promise.resolve(undefined);
    const head = checkout.then((found) => found && this.#readHead(found)).catch(leaveOut);
    const answer = checkout.then((found) => found && this.#askGit(found, head)).catch(leaveOut);
    this.complete = Promise.all([packages, head, answer]).then(() => {});
    this.opened = Promise.all([packages, head, atMost(OPENING_MILLISECONDS_MAX, answer)]).then(() => {});
  }

  /** What is known now: another object when more is. */
  get current(): Environment {
    return this.#current;
  }

  /** Ends what still runs. */
  stop(): void {
    this.#stop.abort();
  }

  async #readPackages(): Promise<void> {
    if (!this.#parts.includes("packages")) return;
    const packages = await readPackages(this.#folder);
    if (packages) this.#add({ packages });
  }

  async #readHead(checkout: Checkout): Promise<void> {
    if (!this.#parts.includes("git")) return;
    const head = await readHead(checkout);
    if (head) this.#add({ git: head });
  }

  async #askGit(checkout: Checkout, head: Promise<void>): Promise<void> {
    const { signal } = this.#stop;
    const dirty = this.#parts.includes("git") ? isDirty(checkout, signal) : undefined;
    const diff = this.#parts.includes("diff") ? readDiff(checkout, signal) : undefined;
    await Promise.all([this.#addDirty(dirty, head), this.#addDiff(diff)]);
  }

  async #addDirty(answer: ReturnType<typeof isDirty> | undefined, head: Promise<void>): Promise<void> {
    const dirty = await answer;
    await head;
    const { git } = this.#current;
    if (git && dirty !== undefined) this.#add({ git: { ...git, dirty } });
  }

  async #addDiff(answer: ReturnType<typeof readDiff> | undefined): Promise<void> {
    const diff = await answer;
    if (diff) this.#add({ diff: diff.text, ...(diff.truncated && { diffTruncated: true }) });
  }

  #add(more: Environment): void {
    if (this.#stop.signal.aborted) return;
    this.#current = inOrder({ ...this.#current, ...more });
  }
}

/** An environment that can't be told in full is no reason not to save. */
function leaveOut(): void {}

/** What the process knows of itself. */
function processParts(parts: readonly EnvironmentPart[]): Environment {
  const user = userName();
  const script = process.argv[1];
  return {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    ...(script !== undefined && { script }),
    ...(user !== undefined && { user }),
    ...(parts.includes("command") && {
      command: [process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    }),
  };
}

/** A container's user may have no name. */
function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}

/** Frozen, and its parts always in one order, whichever was known first: equal environments are equal bytes. */
function inOrder({ git, packages, command, diff, diffTruncated, ...own }: Environment): Environment {
  const environment: Environment = {
    ...own,
    ...(git && { git: Object.freeze(git) }),
    ...(packages && { packages: Object.freeze(packages) }),
    ...(command && { command: Object.freeze(command) as string[] }),
    ...(diff !== undefined && { diff }),
    ...(diffTruncated && { diffTruncated }),
  };
  return Object.freeze(environment);
}

async function atMost(milliseconds: number, promise: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([promise, timeout]);
  clearTimeout(timer);
}
