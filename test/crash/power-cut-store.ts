import type { ArtifactStore } from "../../engine/api.ts";
import type { OpenOptions } from "../../engine/open.ts";
import { openOverSeams } from "../helpers/seam-store.ts";
import { PACKS_SOON } from "./packing.ts";
import type { SimulatedDisk } from "./simulated-disk.ts";

/** A store over a simulated disk, to be closed by who opened it. */
export function openOver(
  disk: SimulatedDisk,
  options: Partial<OpenOptions> = {},
  durable = true,
): Promise<ArtifactStore> {
  return openOverSeams(disk.home, { files: disk, ...options }, durable ? "durable" : "buffered");
}

/** The same, where much comes often: checkpoints, looks whether old files may go, and packing the index. */
export function openBusy(
  disk: SimulatedDisk,
  options: Partial<OpenOptions>,
  durable = true,
): Promise<ArtifactStore> {
  const soon = { checkpointBatchesMin: 6, times: { look: 5 }, packing: PACKS_SOON };
  return openOver(disk, { lockWaitMax: 20_000, ...soon, ...options }, durable);
}
