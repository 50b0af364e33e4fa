import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Plan } from "../directory/support.ts";
import { makeTree } from "../directory/support.ts";
import { CommandLine } from "../helpers/command-line.ts";

const PLAN: Plan = {
  "a.csv": "x,y\n1,2\n",
  "bin/run": { run: "#!/bin/sh\n" },
  "bin/latest": { to: "run" },
  "data/1.csv": "1\n",
  "data/more/2.csv": "22\n",
  hollow: null,
};

export const MEDIA_TYPE = "application/vnd.varve.directory";
export const sha256 = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;

/** A command line in a new folder, which has a folder that may be saved in it. */
export interface BesideTree {
  line: CommandLine;
  root: string;
}

/** For `before.each`. */
export async function beginBesideTree(context: BesideTree): Promise<void> {
  context.line = await CommandLine.inNewFolder();
  context.root = join(context.line.folder, "tree");
  makeTree(context.root, PLAN);
}
