import type { CallOptions, DeleteOptions, DeleteReport } from "../api.ts";
import { signalOf } from "../call-options.ts";
import { VarveError } from "../errors.ts";
import type { VersionRecord } from "../ports/metadata-store.ts";
import type { BackendPlace } from "../ports/storage-backend.ts";
import type { ParsedRef } from "../ref.ts";
import { parseRef } from "../ref.ts";
import { isSamePlace, placeOf, placesOf, sharesBytes } from "./kept.ts";
import type { BackendParts } from "./parts.ts";
import { everyNeeded, isKept } from "./rows.ts";

/** In a message; the details name all. */
const SHOWN_MAX = 10;

/**
 * Deletes versions, and what the backend keeps of them: first here, so that nobody reads what is about to go. What failed
 * there can be repeated with each version as the ref: of what is deleted here it is done there alone.
 */
export async function purgeVersions(
  parts: BackendParts,
  target: ParsedRef,
  options: DeleteOptions,
): Promise<DeleteReport> {
  await checkReachable(parts, target, options);
  const aliases = options.aliases === true;
  const { deleted, removedAliases } = await parts.commit({ kind: "delete", target, aliases, purge: true });
  const refs = deleted.length > 0 ? deleted : refsOf(target);
  await purgeAllThere(parts, refs, options);
  return { deleted, aliases: removedAliases };
}

/** Nothing but the refs tells of what is left, so the failure names all of them. */
async function purgeAllThere(
  parts: BackendParts,
  refs: readonly string[],
  options: CallOptions,
): Promise<void> {
  const left: string[] = [];
  let failure: VarveError | undefined;
  for (const ref of refs) {
    try {
      if (!isOfAll(failure)) await purgeThere(parts, ref, options);
      else left.push(ref);
    } catch (error) {
      if (!(error instanceof VarveError)) throw error;
      failure = error;
      left.push(ref);
    }
  }
  if (failure) throw stillThere(left, failure);
}

/** Whether what failed for one will fail for the others. */
function isOfAll(failure: VarveError | undefined): boolean {
  return failure !== undefined && ["UNAVAILABLE", "UNAUTHORIZED", "ABORTED"].includes(failure.code);
}

/** What could not be removed there is not deleted here either. @throws CONFIG */
async function checkReachable(parts: BackendParts, target: ParsedRef, options: CallOptions): Promise<void> {
  for await (const record of recordsOf(parts, target, signalOf(options)))
    if (isKept(record)) await parts.connection.of(placeOf(record.kept));
}

async function* recordsOf(
  parts: BackendParts,
  target: ParsedRef,
  call: CallOptions,
): AsyncGenerator<VersionRecord> {
  const metadata = parts.metadata();
  if (target.kind === "all") return yield* metadata.versions(target.name, call);
  const record =
    target.kind === "version"
      ? await metadata.at(target.name, target.version, call)
      : await metadata.find(target, call);
  if (record) yield record;
}

/** One that was deleted before. */
function refsOf(target: ParsedRef): string[] {
  return target.kind === "version" ? [`${target.name}:${target.version}`] : [];
}

async function purgeThere(parts: BackendParts, ref: string, options: CallOptions): Promise<void> {
  const { name, version } = parseRef(ref) as ParsedRef & { kind: "version" };
  const record = await parts.metadata().at(name, version, signalOf(options));
  if (!record?.isForgotten || !isKept(record)) return;
  for (const place of placesOf(record.kept)) await removeUnneeded(parts, place, options);
}

/** Removes a place that no version has, unless other versions of the store are the same one there, or over the same bytes. */
async function removeUnneeded(parts: BackendParts, place: BackendPlace, options: CallOptions): Promise<void> {
  const backend = await parts.connection.of(place);
  const needed: BackendPlace[] = [];
  for await (const record of everyNeeded(parts, options)) {
    const other = placeOf(record.kept);
    if (isSamePlace(place, other)) return;
    if (sharesBytes(place, other)) needed.push(other);
  }
  await backend.remove(place, { ...signalOf(options), ...(needed.length > 0 && { needed }) });
}

/**
 * What was kept for a commit that failed goes again, unless that may have been made. Where this fails too, `verify` finds it: what the
 * commit failed with is what the caller has to know.
 */
export async function takeBack(parts: BackendParts, place: BackendPlace, failure: unknown): Promise<void> {
  if (failure instanceof VarveError && failure.outcome === "unknown") return;
  await removeUnneeded(parts, place, {}).catch(() => {});
}

function stillThere(refs: readonly string[], error: VarveError): VarveError {
  const { code, message, outcome, details, hint } = error;
  const [are, their] = refs.length === 1 ? ["is", "its model"] : ["are", "their models"];
  const more = refs.length > SHOWN_MAX ? ` and ${refs.length - SHOWN_MAX} more` : "";
  const shown = refs.slice(0, SHOWN_MAX);
  const again = `\`varve delete ${shown.join(" ")} --purge\`${more}`;
  return new VarveError(
    code,
    `${shown.join(", ")}${more} ${are} deleted, but MLflow still has ${their}: ${message}`,
    {
      hint: `repeat the call with the version itself: ${again}${hint ? `; ${hint}` : ""}`,
      cause: error,
      ...(outcome && { outcome }),
      details: { ...details, ref: refs[0], refs: [...refs] },
    },
  );
}
