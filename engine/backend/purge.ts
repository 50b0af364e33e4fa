import type { CallOptions, DeleteOptions, DeleteReport } from "../api.ts";
import { VarveError } from "../errors.ts";
import type { VersionRecord } from "../ports/metadata-store.ts";
import type { BackendPlace } from "../ports/storage-backend.ts";
import type { ParsedRef } from "../ref.ts";
import { parseRef } from "../ref.ts";
import { isSamePlace, placeOf, sharesBytes } from "./kept.ts";
import type { BackendParts } from "./parts.ts";
import { everyKept, isKept } from "./rows.ts";
import { signalOf } from "./values.ts";

/**
 * Deletes versions, and what the backend keeps of them: first here, so that nobody reads what is about to go. What failed
 * there can be repeated with the version as the ref: of what is deleted here it is done there alone.
 */
export async function purgeVersions(
  parts: BackendParts,
  target: ParsedRef,
  options: DeleteOptions,
): Promise<DeleteReport> {
  await checkReachable(parts, target, options);
  const aliases = options.aliases === true;
  const { deleted, removedAliases } = await parts.commit({ kind: "delete", target, aliases, purge: true });
  const going = deleted.length > 0 ? deleted.map(parseRef) : [target];
  for (const [place, ref] of await placesOf(parts, going, options)) {
    try {
      await removeUnneeded(parts, place, options);
    } catch (error) {
      throw stillThere(ref, error);
    }
  }
  return { deleted, aliases: removedAliases };
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

async function placesOf(
  parts: BackendParts,
  refs: readonly ParsedRef[],
  options: CallOptions,
): Promise<Map<BackendPlace, string>> {
  const places = new Map<BackendPlace, string>();
  for (const ref of refs) {
    if (ref.kind !== "version") continue;
    const record = await parts.metadata().at(ref.name, ref.version, signalOf(options));
    if (record?.isForgotten && isKept(record)) places.set(placeOf(record.kept), `${ref.name}:${ref.version}`);
  }
  return places;
}

/** Other versions of the store may be the same one there, or over the same bytes. */
async function removeUnneeded(parts: BackendParts, place: BackendPlace, options: CallOptions): Promise<void> {
  const backend = await parts.connection.of(place);
  const needed: BackendPlace[] = [];
  for await (const record of everyKept(parts, options)) {
    const other = placeOf(record.kept);
    if (isSamePlace(place, other)) return;
    if (sharesBytes(place, other)) needed.push(other);
  }
  await backend.remove(place, { ...signalOf(options), ...(needed.length > 0 && { needed }) });
}

function stillThere(ref: string, error: unknown): unknown {
  if (!(error instanceof VarveError)) return error;
  const { code, message, outcome, details } = error;
  return new VarveError(code, `${ref} is deleted, but MLflow still has its model: ${message}`, {
    hint: `repeat the call with the version itself: \`varve delete ${ref} --purge\`${error.hint ? `; ${error.hint}` : ""}`,
    cause: error,
    ...(outcome && { outcome }),
    details: { ...details, ref },
  });
}
