import { backendFaults } from "./backend.ts";
import { backupFaults } from "./backup.ts";
import { benchFaults } from "./bench.ts";
import { blobsFaults } from "./blobs.ts";
import { chunkFaults } from "./chunk.ts";
import { commandLineFaults } from "./command-line.ts";
import { commitFaults } from "./commit.ts";
import { compactFaults } from "./compact.ts";
import { composedStoreFaults } from "./composed-store.ts";
import { crashPartsFaults } from "./crash-parts.ts";
import { directoryFaults } from "./directory.ts";
import { directorySaveFaults } from "./directory-save.ts";
import { directoryStoreFaults } from "./directory-store.ts";
import { directoryThreadFaults } from "./directory-thread.ts";
import { embeddedMetadataFaults } from "./embedded-metadata.ts";
import { failedSyncFaults } from "./failed-sync.ts";
import type { Fault } from "./fault.ts";
import { generationsFaults } from "./generations.ts";
import { idlePackingFaults } from "./idle-packing.ts";
import { indexFaults } from "./index.ts";
import { largeFaults } from "./large.ts";
import { largeReadingFaults } from "./large-reading.ts";
import { leaseFaults } from "./leases.ts";
import { lockFaults } from "./lock.ts";
import { logFaults } from "./log.ts";
import { lossFaults } from "./loss.ts";
import { maintenanceFaults } from "./maintenance.ts";
import { metadataFaults } from "./metadata.ts";
import { mlflowBackendFaults } from "./mlflow-backend.ts";
import { mlflowClientFaults } from "./mlflow-client.ts";
import { mlflowCommandLineFaults } from "./mlflow-command-line.ts";
import { openingFaults } from "./opening.ts";
import { packFaults } from "./pack.ts";
import { pruneFaults } from "./prune.ts";
import { readingFaults } from "./reading.ts";
import { segmentsFaults } from "./segments.ts";
import { spaceFaults } from "./space.ts";
import { sqlPartsFaults } from "./sql-parts.ts";

/** All seeded faults, by area. */
export const faults: Fault[] = [
  ...logFaults,
  ...lossFaults,
  ...commandLineFaults,
  ...openingFaults,
  ...mlflowBackendFaults,
  ...backendFaults,
  ...commitFaults,
  ...failedSyncFaults,
  ...lockFaults,
  ...indexFaults,
  ...generationsFaults,
  ...maintenanceFaults,
  ...spaceFaults,
  ...idlePackingFaults,
  ...embeddedMetadataFaults,
  ...sqlPartsFaults,
  ...mlflowClientFaults,
  ...mlflowCommandLineFaults,
  ...pruneFaults,
  ...readingFaults,
  ...backupFaults,
  ...compactFaults,
  ...leaseFaults,
  ...segmentsFaults,
  ...largeFaults,
  ...largeReadingFaults,
  ...chunkFaults,
  ...benchFaults,
  ...directoryFaults,
  ...directorySaveFaults,
  ...directoryStoreFaults,
  ...directoryThreadFaults,
  ...crashPartsFaults,
  ...packFaults,
  ...blobsFaults,
  ...composedStoreFaults,
  ...metadataFaults,
];
