/** What is measured, in the order of the report. A new one is a file in `workloads/` and a line here. */

import type { Workload } from "./workload.ts";
import { batch } from "./workloads/batch.ts";
import { list } from "./workloads/list.ts";
import { load } from "./workloads/load.ts";
import { loadRandom } from "./workloads/load-random.ts";
import { open } from "./workloads/open.ts";
import { openKilled } from "./workloads/open-killed.ts";
import { rebuild } from "./workloads/rebuild.ts";
import { save } from "./workloads/save.ts";
import { saveExisting } from "./workloads/save-existing.ts";
import { saveOne } from "./workloads/save-one.ts";

export const workloads: readonly Workload[] = [
  load,
  loadRandom,
  save,
  saveOne,
  saveExisting,
  batch,
  list,
  open,
  openKilled,
  rebuild,
];
