/** All that differs between two artifacts, as the document of `diff --json`: what is the same is not in it. */

import type { Artifact, CallOptions, CodeSource, Environment } from "../../engine/main.ts";
import { optional } from "../pairs.ts";
import { type Changes, changesBetween } from "./changes.ts";
import { type LineDifference, lineDifference } from "./lines.ts";
import { type ValueDifference, valueDifference } from "./value.ts";

export interface Difference {
  /** The refs, with their versions. */
  readonly from: string;
  readonly to: string;
  readonly mediaType?: { from: string; to: string };
  readonly value?: ValueDifference;
  readonly code?: CodeDifference[];
  readonly inputs?: { removed: string[]; added: string[] };
  readonly tags?: Changes;
  readonly metadata?: Changes;
  readonly environment?: Changes;
}

/** One source: its file, or `inline`; absent on the side that has no such source. */
export type CodeDifference = { readonly from?: string; readonly to?: string } & LineDifference;

export async function differenceBetween(
  from: Artifact,
  to: Artifact,
  call: CallOptions,
): Promise<Difference> {
  const mediaType = { from: from.mediaType, to: to.mediaType };
  return {
    from: from.ref,
    to: to.ref,
    ...optional("mediaType", mediaType.from === mediaType.to ? undefined : mediaType),
    ...optional("value", await valueDifference(from, to, call)),
    ...optional("code", codeDifferences(from.code?.sources ?? [], to.code?.sources ?? [])),
    ...optional("inputs", inputDifference(from.inputs, to.inputs)),
    ...optional("tags", anyChanges(changesBetween(from.tags, to.tags, "tags"))),
    ...optional("metadata", anyChanges(changesBetween(from.metadata, to.metadata, "metadata"))),
    ...optional("environment", environmentDifference(from.environment, to.environment)),
  };
}

/** Whether nothing differs. */
export function isEqual(difference: Difference): boolean {
  return Object.keys(difference).every((part) => part === "from" || part === "to");
}

function anyChanges(changes: Changes): Changes | undefined {
  return changes.count > 0 ? changes : undefined;
}

function inputDifference(from: string[], to: string[]): Difference["inputs"] {
  const removed = from.filter((ref) => !to.includes(ref));
  const added = to.filter((ref) => !from.includes(ref));
  return removed.length + added.length > 0 ? { removed, added } : undefined;
}

/** Whether a checkout was dirty is not known of what was saved before git had answered: that is no difference. */
function environmentDifference(from: Environment, to: Environment): Changes | undefined {
  const isKnown = from.git?.dirty !== undefined && to.git?.dirty !== undefined;
  const [a, b] = isKnown ? [from, to] : [withoutDirty(from), withoutDirty(to)];
  return anyChanges(changesBetween(a, b, "environment"));
}

function withoutDirty(environment: Environment): Environment {
  if (!environment.git) return environment;
  const { dirty: _, ...git } = environment.git;
  return { ...environment, git };
}

type SourcePair = readonly [CodeSource | undefined, CodeSource | undefined];

function codeDifferences(
  from: readonly CodeSource[],
  to: readonly CodeSource[],
): CodeDifference[] | undefined {
  const differences = pairsOf(from, to)
    .filter(([a, b]) => a?.text !== b?.text || a?.file !== b?.file)
    .map(([a, b]) => ({
      ...optional("from", a && (a.file ?? "inline")),
      ...optional("to", b && (b.file ?? "inline")),
      ...lineDifference(a?.text ?? "", b?.text ?? ""),
    }));
  return differences.length > 0 ? differences : undefined;
}

/** Those of the same file; a single source on both sides is the same one, whatever its file is called. */
function pairsOf(from: readonly CodeSource[], to: readonly CodeSource[]): SourcePair[] {
  if (from.length === 1 && to.length === 1) return [[from[0], to[0]]];
  const left = [...to];
  const pairs = from.map((source): SourcePair => {
    const index = left.findIndex(({ file }) => file === source.file);
    return [source, index < 0 ? undefined : left.splice(index, 1)[0]];
  });
  return [...pairs, ...left.map((source): SourcePair => [undefined, source])];
}
