/** The list of verbs. It loads none of them, so that a command loads only its own. */

import type { Verb } from "./verb.ts";

interface ListedVerb {
  readonly does: string;
  load(): Promise<{ default: Verb }>;
}

export const verbs: Readonly<Record<string, ListedVerb>> = {
  init: { does: "make a store", load: () => import("./commands/init.ts") },
  save: { does: "save a new version of an artifact", load: () => import("./commands/save.ts") },
  adopt: {
    does: "take a model that is in MLflow already as an artifact",
    load: () => import("./commands/adopt.ts"),
  },
  get: { does: "write the value of an artifact", load: () => import("./commands/get.ts") },
  list: { does: "list artifacts", load: () => import("./commands/list.ts") },
  show: { does: "show the facts of an artifact and a preview", load: () => import("./commands/show.ts") },
  history: { does: "list the versions of a name, oldest first", load: () => import("./commands/history.ts") },
  code: { does: "print the code that made an artifact", load: () => import("./commands/code.ts") },
  diff: { does: "show what differs between two artifacts", load: () => import("./commands/diff.ts") },
  lineage: {
    does: "show what an artifact was made from, and what was made from it",
    load: () => import("./commands/lineage.ts"),
  },
  alias: { does: "point an alias to a version, or remove it", load: () => import("./commands/alias.ts") },
  annotate: {
    does: "change the tags and metadata of an artifact",
    load: () => import("./commands/annotate.ts"),
  },
  delete: { does: "delete versions", load: () => import("./commands/delete.ts") },
  undelete: { does: "bring a deleted version back", load: () => import("./commands/undelete.ts") },
  prune: {
    does: "delete old versions by rules, and free their bytes",
    load: () => import("./commands/prune.ts"),
  },
  verify: { does: "check that everything stored is intact", load: () => import("./commands/verify.ts") },
  backup: {
    does: "copy the store to another folder, or bring a backup up to it",
    load: () => import("./commands/backup.ts"),
  },
  repair: { does: "take what is damaged from sound copies", load: () => import("./commands/repair.ts") },
  stats: { does: "show how much is stored", load: () => import("./commands/stats.ts") },
  compact: { does: "free the bytes of what was deleted", load: () => import("./commands/compact.ts") },
  rebuild: { does: "make the index again from the log", load: () => import("./commands/rebuild.ts") },
  config: { does: "show and change the configuration", load: () => import("./commands/config.ts") },
  doctor: {
    does: "check configuration, disk, drivers and servers",
    load: () => import("./commands/doctor.ts"),
  },
  repl: { does: "an interactive session", load: () => import("./commands/repl.ts") },
  bench: { does: "measure the hot paths on this disk", load: () => import("./commands/bench.ts") },
};
