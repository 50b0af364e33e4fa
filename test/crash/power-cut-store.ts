import type { ArtifactStore } from "../../engine/api.ts";
import type { OpenOptions } from "../../engine/open.ts";
import { openOverSeams } from "../helpers/seam-store.ts";
import type { SimulatedDisk } from "./simulated-disk.ts";

/** A store over a simulated disk, to be closed by who opened it. */
export function openOver(
  disk: SimulatedDisk,
  options: Partial<OpenOptions> = {},
  durable = true,
): Promise<ArtifactStore> {
  return openOverSeams(disk.home, { files: disk, ...options }, durable ? "durable" : "buffered");
}
