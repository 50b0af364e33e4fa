import { alone } from "./alone.ts";
import { blobs } from "./blobs.ts";
import { control } from "./damage-control.ts";
import { indexes } from "./damage-index.ts";
import { live } from "./damage-live.ts";
import { logBits } from "./damage-log-bits.ts";
import { logLengths } from "./damage-log-lengths.ts";
import { openOverDamage } from "./damage-open.ts";
import { segments } from "./damage-segments.ts";
import { fullDisk } from "./full-disk.ts";
import type { Harness } from "./harness.ts";
import { ioErrors } from "./io-errors.ts";
import { kill } from "./kill.ts";
import { many } from "./many.ts";
import { order } from "./order.ts";
import { powerCuts } from "./power-cut.ts";
import { space } from "./space.ts";
import { stopped } from "./stopped.ts";
import { worker } from "./worker.ts";

/** All harnesses, in the order in which `npm run torture` runs them. */
export const harnesses: Harness[] = [
  order,
  fullDisk,
  worker,
  stopped,
  alone,
  kill,
  blobs,
  many,
  space,
  powerCuts,
  ioErrors,
  logBits,
  logLengths,
  segments,
  indexes,
  control,
  live,
  openOverDamage,
];
