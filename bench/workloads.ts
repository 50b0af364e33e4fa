/** What is measured, in the order of the report. A new one is a file in `workloads/` and a line here. */

import type { Workload } from "./workload.ts";
import { batch } from "./workloads/batch.ts";
import { compact } from "./workloads/compact.ts";
import { remove } from "./workloads/delete.ts";
import { getLarge, putLarge } from "./workloads/large.ts";
import { list } from "./workloads/list.ts";
import { listPrefix } from "./workloads/list-prefix.ts";
import { listTag } from "./workloads/list-tag.ts";
import { load } from "./workloads/load.ts";
import { loadRandom } from "./workloads/load-random.ts";
import { miss } from "./workloads/miss.ts";
import { mixed } from "./workloads/mixed.ts";
import { open } from "./workloads/open.ts";
import { openKilled } from "./workloads/open-killed.ts";
import { processGet, processNode } from "./workloads/process-get.ts";
import {
  readers2,
  readers4,
  readersBesideWriter,
  writerBesideReaders,
  writers2,
} from "./workloads/processes.ts";
import { rebuild } from "./workloads/rebuild.ts";
import { save } from "./workloads/save.ts";
import { saveExisting } from "./workloads/save-existing.ts";
import { saveFull } from "./workloads/save-full.ts";
import { saveOne } from "./workloads/save-one.ts";
import { loadVersion, versions } from "./workloads/versions.ts";

export const workloads: readonly Workload[] = [
  load,
  loadRandom,
  miss,
  save,
  saveOne,
  saveExisting,
  saveFull,
  batch,
  mixed,
  list,
  listPrefix,
  listTag,
  versions,
  loadVersion,
  remove,
  compact,
  open,
  openKilled,
  rebuild,
  readers2,
  readers4,
  readersBesideWriter,
  writerBesideReaders,
  writers2,
  putLarge,
  getLarge,
  processGet,
  processNode,
];
