import type { Artifact, ArtifactStore, CallOptions } from "../../engine/main.ts";
import { type Context, withStore } from "../context.ts";
import { CommandError, ExitCode, usageError } from "../errors.ts";
import { printable } from "../printable.ts";
import { isConfirmed } from "../prompt.ts";
import { defineVerb } from "../verb.ts";

/** Deleted together or not at all. */
const TOGETHER_MAX = 10_000;
const SHOWN_MAX = 10;

async function* versionsOf(store: ArtifactStore, ref: string, call: CallOptions): AsyncGenerator<Artifact> {
  if (!/[:@]/.test(ref)) {
    throw usageError(
      `${ref} names no version to delete`,
      `write ${ref}:3, ${ref}:latest, ${ref}@alias or ${ref}:all`,
    );
  }
  if (!ref.endsWith(":all")) return yield await store.get(ref, call);
  let isFound = false;
  for await (const artifact of store.versions(ref.slice(0, -":all".length), call)) {
    isFound = true;
    yield artifact;
  }
  if (!isFound) throw new CommandError("NOT_FOUND", `there is no version of ${ref}`);
}

/** Every version that the refs mean, once. All refs are looked up before anything is deleted. */
async function planFor(store: ArtifactStore, refs: string[], call: CallOptions): Promise<Artifact[]> {
  const plan = new Map<string, Artifact>();
  for (const ref of refs) {
    for await (const artifact of versionsOf(store, ref, call)) plan.set(artifact.ref, artifact);
  }
  return [...plan.values()];
}

function aliasRefs(plan: readonly Artifact[]): string[] {
  return plan.flatMap(({ name, aliases }) => aliases.map((alias) => `${name}@${alias}`));
}

function checkAliases(plan: readonly Artifact[]): void {
  const [first, ...others] = aliasRefs(plan);
  if (first === undefined) return;
  const more = others.length > 0 ? ` and ${others.length} more` : "";
  throw new CommandError("CONFLICT", `a version to delete has an alias: ${first}${more}`, {
    hint: "--aliases removes the aliases too; `varve undelete` brings them back",
  });
}

function questionFor(plan: readonly Artifact[]): string {
  const shown = plan.slice(0, SHOWN_MAX).map(({ ref }) => `  ${printable(ref)}`);
  if (plan.length > SHOWN_MAX) shown.push(`  and ${plan.length - SHOWN_MAX} more`);
  return `${shown.join("\n")}\nDelete ${plan.length === 1 ? "this version" : `these ${plan.length} versions`}?`;
}

async function report(done: readonly Artifact[], dryRun: boolean, { json, output }: Context): Promise<void> {
  const deleted = done.map(({ ref }) => ref);
  const aliases = aliasRefs(done);
  if (json) return output.document({ deleted, aliases, dryRun });
  const prefix = dryRun ? "would " : "";
  for (const ref of deleted) await output.line(`${prefix}delete${dryRun ? "" : "d"} ${printable(ref)}`);
  for (const ref of aliases) await output.line(`${prefix}remove${dryRun ? "" : "d"} ${printable(ref)}`);
}

interface Outcome {
  readonly done: readonly Artifact[];
  /** What ended it after a part was deleted. */
  readonly error?: unknown;
}

async function apply(
  store: ArtifactStore,
  plan: readonly Artifact[],
  aliases: boolean,
  call: CallOptions,
): Promise<Outcome> {
  const done: Artifact[] = [];
  try {
    while (done.length < plan.length) {
      const together = plan.slice(done.length, done.length + TOGETHER_MAX);
      await store.batch((batch) => {
        for (const artifact of together) batch.delete(artifact, { aliases });
      }, call);
      done.push(...together);
    }
    return { done };
  } catch (error) {
    if (done.length === 0) throw error;
    return { done, error };
  }
}

function partlyDone(cause: unknown): CommandError {
  const { code = "IO", message } = cause as NodeJS.ErrnoException;
  return new CommandError(code, `only a part was deleted: ${message}`, {
    exitCode: ExitCode.partlyDone,
    cause,
  });
}

export default defineVerb({
  name: "delete",
  required: ["ref"],
  more: true,
  options: {
    aliases: { kind: "flag", describe: "remove aliases of the versions too, instead of refusing" },
    "dry-run": { kind: "flag", describe: "tell what would be deleted, and delete nothing" },
    yes: { kind: "flag", describe: "don't ask; needed where there is no terminal" },
  },
  about:
    "A ref is name:3, name:latest, name@alias, or name:all for every version. Deleted versions can be brought back with " +
    "`varve undelete` until their bytes are compacted away; their numbers are not given again.",
  examples: [
    ["varve delete iris/model:2 iris/model:3 --dry-run", "look first"],
    ["varve delete iris/model:all --yes", "every version of a name"],
  ],
  async run({ given: { ref }, more, options }, context) {
    const { aliases, "dry-run": dryRun, yes } = options;
    const outcome = await withStore(
      context,
      dryRun ? "read" : "change",
      async (store, call): Promise<Outcome | undefined> => {
        const plan = await planFor(store, [ref, ...more], call);
        if (!aliases) checkAliases(plan);
        if (dryRun) return { done: plan };
        if (!(await isConfirmed(context, yes, questionFor(plan)))) return undefined;
        return apply(store, plan, aliases, call);
      },
    );
    if (outcome === undefined) {
      context.note("nothing was deleted");
      return ExitCode.failure;
    }
    await report(outcome.done, dryRun, context);
    if (outcome.error === undefined) return undefined;
    throw partlyDone(outcome.error);
  },
});
