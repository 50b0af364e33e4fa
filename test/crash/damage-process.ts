/** Examinations in a process of their own, which may die of them and is then started again. */
import type { Examination, ExamineOptions } from "./damage-examine.ts";
import { PlainProcess } from "./plain-programs.ts";

/** What an examination may take, all its calls together, before it counts as hanging. */
const MILLISECONDS_MAX = 30_000;

export interface Found extends Omit<Examination, "right" | "lost"> {
  /** How many versions were loaded rightly. */
  right: number;
  lost: string[];
  /** `died SIGSEGV in open`, `hung in load`; undefined when the process lived. */
  end?: string;
}

export class ExamineProcess {
  readonly #expected: string;
  #program: PlainProcess | undefined;

  /** @param expected path of a file that `writeExpected` made */
  constructor(expected: string) {
    this.#expected = expected;
  }

  async examine(home: string, options: ExamineOptions): Promise<Found> {
    this.#program ??= new PlainProcess("damage-examine-program", {});
    const program = this.#program;
    program.tell(JSON.stringify({ home, expected: this.#expected, options }));
    let call = "start";
    let hangs = false;
    const timer = setTimeout(() => {
      hangs = true;
      program.signal("SIGKILL");
    }, MILLISECONDS_MAX);
    try {
      for (let line = await program.next(); line !== undefined; line = await program.next()) {
        const said = JSON.parse(line);
        if (said.found) return said.found as Found;
        call = said.call;
      }
    } finally {
      clearTimeout(timer);
    }
    this.#program = undefined;
    const { code, signal } = await program.ended;
    const end = hangs ? `hung in ${call}` : `died ${signal ?? code} in ${call}`;
    const last = program.errors.trim().split("\n").at(-1)?.slice(0, 150);
    const violations = [`the process ${end}${last ? `: ${last}` : ""}`];
    return {
      outcome: "died",
      told: false,
      right: 0,
      unexpected: [],
      lost: [],
      violations,
      twice: [],
      unknown: 0,
      end,
    };
  }

  async stop(): Promise<void> {
    await this.#program?.kill();
    this.#program = undefined;
  }
}
