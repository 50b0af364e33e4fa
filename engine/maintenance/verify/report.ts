import type { DamageProblem, VerifyReport } from "../../api.ts";

export interface CoreProblem extends Omit<DamageProblem, "refs"> {
  /** The row that can't be read because of it. */
  key?: Buffer;
  /** The blob that can't. */
  digest?: Buffer;
}

export interface CoreReport extends Omit<VerifyReport, "ok" | "problems"> {
  problems: CoreProblem[];
}
