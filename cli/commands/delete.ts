import type { Artifact, ArtifactStore, CallOptions } from "../../engine/main.ts";
import { type Context, withStore } from "../context.ts";
import { CommandError, ExitCode, usageError } from "../errors.ts";
import { mlflowText } from "../mlflow-text.ts";
import { printable } from "../printable.ts";
import { isConfirmed } from "../prompt.ts";
import { defineVerb } from "../verb.ts";

/** Deleted together or not at all. */
const TOGETHER_MAX = 10_000;
const SHOWN_MAX = 10;

/** What is to be deleted. Of a version that is deleted already, and is purged again, there is only the ref. */
type Planned = Pick<Artifact, "name" | "ref" | "aliases" | "mlflow"> & { isPurgedAgain?: boolean };

async function* versionsOf(
  store: ArtifactStore,
  ref: string,
  purge: boolean,
  call: CallOptions,
): AsyncGenerator<Planned> {
  if (!/[:@]/.test(ref)) {
    throw usageError(
      `${ref} names no version to delete`,
      `write ${ref}:3, ${ref}:latest, ${ref}@alias or ${ref}:all`,
    );
  }
  if (!ref.endsWith(":all")) return yield await versionOf(store, ref, purge, call);
  let isFound = false;
  for await (const artifact of store.versions(ref.slice(0, -":all".length), call)) {
    isFound = true;
    yield artifact;
  }
  if (!isFound) throw new CommandError("NOT_FOUND", `there is no version of ${ref}`);
}

/** A purge that MLflow did not answer to has deleted the version here: it is repeated with the version itself. */
async function versionOf(
  store: ArtifactStore,
  ref: string,
  purge: boolean,
  call: CallOptions,
): Promise<Planned> {
  const [, name] = /^([^:@]+):\d+$/.exec(ref) ?? [];
  if (!purge || name === undefined) return store.get(ref, call);
  return (await store.find(ref, call)) ?? { name, ref, aliases: [], isPurgedAgain: true };
}

/** Every version that the refs mean, once. All refs are looked up before anything is deleted. */
async function planFor(
  store: ArtifactStore,
  refs: string[],
  purge: boolean,
  call: CallOptions,
): Promise<Planned[]> {
  const plan = new Map<string, Planned>();
  for (const ref of refs) {
    for await (const version of versionsOf(store, ref, purge, call)) plan.set(version.ref, version);
  }
  return [...plan.values()];
}

function aliasRefs(plan: readonly Planned[]): string[] {
  return plan.flatMap(({ name, aliases }) => aliases.map((alias) => `${name}@${alias}`));
}

function checkAliases(plan: readonly Planned[]): void {
  const [first, ...others] = aliasRefs(plan);
  if (first === undefined) return;
  const more = others.length > 0 ? ` and ${others.length} more` : "";
  throw new CommandError("CONFLICT", `a version to delete has an alias: ${first}${more}`, {
    hint: "--aliases removes the aliases too; `varve undelete` brings them back",
  });
}

function questionFor(plan: readonly Planned[], purge: boolean): string {
  const shown = plan
    .slice(0, SHOWN_MAX)
    .map((each) => `  ${printable(each.ref)}${purge ? thereText(each) : ""}`);
  if (plan.length > SHOWN_MAX) shown.push(`  and ${plan.length - SHOWN_MAX} more`);
  const what = plan.length === 1 ? "this version" : `these ${plan.length} versions`;
  const isThere = purge && plan.some(({ mlflow, isPurgedAgain }) => mlflow || isPurgedAgain);
  return `${shown.join("\n")}\nDelete ${what}${isThere ? ", and what MLflow has of it, for good" : ""}?`;
}

/** Where it is in MLflow. */
function thereText({ mlflow, isPurgedAgain }: Planned): string {
  if (isPurgedAgain) return " (deleted here before)";
  return mlflow === undefined ? "" : printable(` (${mlflowText(mlflow)} at ${mlflow.trackingUri})`);
}

interface How {
  readonly aliases: boolean;
  readonly purge: boolean;
}

async function report(
  done: readonly Planned[],
  purge: boolean,
  dryRun: boolean,
  { json, output }: Context,
): Promise<void> {
  const deleted = done.map(({ ref }) => ref);
  const aliases = aliasRefs(done);
  const purged = purge ? done.flatMap(({ mlflow }) => mlflow ?? []) : [];
  if (json) return output.document({ deleted, aliases, ...(purge && { purged }), dryRun });
  const prefix = dryRun ? "would " : "";
  for (const ref of deleted) await output.line(`${prefix}delete${dryRun ? "" : "d"} ${printable(ref)}`);
  for (const facts of purged)
    await output.line(
      `${prefix}remove${dryRun ? "" : "d"} ${printable(mlflowText(facts))} and its files from MLflow, as far as nothing else needs them`,
    );
  for (const ref of aliases) await output.line(`${prefix}remove${dryRun ? "" : "d"} ${printable(ref)}`);
}

interface Outcome {
  readonly done: readonly Planned[];
  /** What ended it after a part was deleted. */
  readonly error?: unknown;
}

async function apply(
  store: ArtifactStore,
  plan: readonly Planned[],
  { aliases, purge }: How,
  call: CallOptions,
): Promise<Outcome> {
  const done: Planned[] = [];
  try {
    while (done.length < plan.length) {
      // MLflow removes one at a time.
      const together = plan.slice(done.length, done.length + (purge ? 1 : TOGETHER_MAX));
      if (purge) await store.delete(together[0]!.ref, { aliases, purge, ...call });
      else
        await store.batch((batch) => {
          for (const { ref } of together) batch.delete(ref, { aliases });
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
  const { code = "IO", message, hint } = cause as NodeJS.ErrnoException & { hint?: string };
  return new CommandError(code, `only a part was deleted: ${message}`, {
    exitCode: ExitCode.partlyDone,
    ...(hint !== undefined && { hint }),
    cause,
  });
}

export default defineVerb({
  name: "delete",
  required: ["ref"],
  more: true,
  options: {
    aliases: { kind: "flag", describe: "remove aliases of the versions too, instead of refusing" },
    purge: {
      kind: "flag",
      describe: "also delete the models in MLflow that no other version needs; nothing brings them back",
    },
    "dry-run": { kind: "flag", describe: "tell what would be deleted, and delete nothing" },
    yes: { kind: "flag", describe: "don't ask; needed where there is no terminal" },
  },
  about:
    "A ref is name:3, name:latest, name@alias, or name:all for every version. Deleted versions can be brought back with " +
    "`varve undelete` until their bytes are compacted away; their numbers are not given again. What MLflow keeps stays there without --purge; " +
    "with it, it is gone at once. Where MLflow does not answer, the same command with the version itself (name:3) goes on.",
  examples: [
    ["varve delete iris/model:2 iris/model:3 --dry-run", "look first"],
    ["varve delete iris/model:all --yes", "every version of a name"],
    ["varve delete iris/clf:3 --purge", "here and in MLflow"],
  ],
  async run({ given: { ref }, more, options }, context) {
    const { aliases, purge, "dry-run": dryRun, yes } = options;
    const outcome = await withStore(
      context,
      dryRun ? "read" : "change",
      async (store, call): Promise<Outcome | undefined> => {
        const plan = await planFor(store, [ref, ...more], purge && !dryRun, call);
        if (!aliases) checkAliases(plan);
        if (dryRun) return { done: plan };
        if (!(await isConfirmed(context, yes, questionFor(plan, purge)))) return undefined;
        return apply(store, plan, { aliases, purge }, call);
      },
    );
    if (outcome === undefined) {
      context.note("nothing was deleted");
      return ExitCode.failure;
    }
    await report(outcome.done, purge, dryRun, context);
    if (outcome.error === undefined) return undefined;
    throw partlyDone(outcome.error);
  },
});
