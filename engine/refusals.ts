import { VarveError } from "./errors.ts";
import type { ParsedRef } from "./ref.ts";
import { refText, VERSION_MAX } from "./ref.ts";

/** What a store of metadata refuses, in the same words wherever the metadata is kept. */

/** What is left of a deleted version: `whole` as long as it can be brought back. */
export type Remains = "whole" | "collected";

/** @param remains of the version, if it was deleted */
export function noSuchArtifact(ref: ParsedRef, remains?: Remains): VarveError {
  const hints = {
    whole: `it was deleted: \`varve undelete ${refText(ref)}\` brings it back`,
    collected: "it was deleted, and its bytes were compacted away",
  };
  return new VarveError("NOT_FOUND", `there is no artifact ${refText(ref)}`, {
    hint: remains ? hints[remains] : "`varve list` shows what there is",
    details: { ref: refText(ref) },
  });
}

/** @param hint what to do instead of naming an MLflow */
export function noMlflow(
  hint = "set mlflow_tracking_uri (`varve config set`, or MLFLOW_TRACKING_URI, which openStore() without options reads)",
): VarveError {
  return new VarveError("CONFIG", "no MLflow tracking URI is configured", {
    hint,
    details: { item: "mlflow_tracking_uri" },
  });
}

/** For who wants such a version back. */
export function compactedAway(ref: ParsedRef): VarveError {
  return new VarveError("NOT_FOUND", `the bytes of ${refText(ref)} were compacted away`, {
    hint: "a deleted version can be brought back until then; `varve list --deleted` shows all deleted ones",
    details: { ref: refText(ref) },
  });
}

/** @param latest the latest live version, which `ifVersion` does not name */
export function otherLatest(
  name: string,
  latest: number | "absent",
  ifVersion: number | "absent",
): VarveError {
  return new VarveError("CONFLICT", `the latest version of ${name} is ${latest}, not ${ifVersion}`, {
    hint: "somebody saved or deleted in between: load the latest version, and decide again",
    details: { name, latest, ifVersion },
  });
}

/** For who deletes a version without its aliases. */
export function hasAliases(ref: string, aliases: readonly string[]): VarveError {
  return new VarveError("CONFLICT", `${ref} has the alias ${aliases.join(", ")}`, {
    hint: "move the alias first, or delete it too: `{ aliases: true }`, on the command line `--aliases`",
    details: { ref, aliases: [...aliases] },
  });
}

/** For `name:all` where one version is meant. */
export function standsForMany(ref: ParsedRef): VarveError {
  return new VarveError("INVALID_ARGUMENT", `${refText(ref)} stands for many versions`, {
    hint: "only delete takes `name:all`; `versions(name)` gives them all",
  });
}

/** @throws NOT_SUPPORTED when a name has as many versions as it can have */
export function checkNewVersion(name: string, version: number): void {
  if (version <= VERSION_MAX) return;
  throw new VarveError("NOT_SUPPORTED", `${name} has as many versions as a name can have`);
}

/** For a list by time or size, which goes on at the time or size of a version. */
export function noSuchPlace({ name, version }: { name: string; version: number }): VarveError {
  return new VarveError("INVALID_ARGUMENT", `there never was a ${name}:${version} to go on after`, {
    hint: "`after` is the ref of the last artifact that was listed",
    details: { ref: `${name}:${version}` },
  });
}

/** For who goes on behind an operation whose followers are forgotten. */
export function behindHorizon(after: number, horizon: number): VarveError {
  return new VarveError(
    "NOT_FOUND",
    `what followed operation ${after} is forgotten: history begins behind ${horizon}`,
    {
      hint: `take what there is now, then go on behind operation ${horizon}`,
      details: { after, horizon },
    },
  );
}

/** For who wants something back that is no version. */
export function notOneVersion(ref: ParsedRef): VarveError {
  return new VarveError("INVALID_ARGUMENT", `${refText(ref)} does not name one deleted version`, {
    hint: "give the version's number, such as `name:3`; `varve list --deleted` shows them",
  });
}

/** For who has opened a store without the place that its values are in. */
export function keptElsewhere(): VarveError {
  return new VarveError(
    "CONFIG",
    "values of this store are kept outside the home folder, and it was opened without that place",
    {
      hint: "open it with the `artifactStorageDir` (in `config.json`, the environment or the options) that it was saved with",
    },
  );
}

/** For who has opened a store, whose values are in its home, with another place for them. */
export function keptInHome(): VarveError {
  return new VarveError("CONFIG", "the values of this store are kept in its home", {
    hint: "open it without `artifactStorageDir`; a store whose values are in another place begins with a new home",
  });
}
