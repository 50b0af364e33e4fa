import { commitTests } from "./metadata-commit.ts";
import { compactTests } from "./metadata-compact.ts";
import { concurrentTests } from "./metadata-concurrent.ts";
import { deleteTests } from "./metadata-deletes.ts";
import { findTests } from "./metadata-find.ts";
import { keptTests } from "./metadata-kept.ts";
import { lineageTests } from "./metadata-lineage.ts";
import { listTests } from "./metadata-lists.ts";
import { longTests } from "./metadata-long.ts";
import { numberTests } from "./metadata-numbers.ts";
import { operationTests } from "./metadata-operations.ts";
import type { MetadataTesting } from "./metadata-support.ts";
import { textTests } from "./metadata-text.ts";
import { valueTests } from "./metadata-values.ts";

export type { MetadataTesting, OpenedMetadata } from "./metadata-support.ts";

/**
 * The conformance suite of the port `MetadataStore`: registers a test for every promise of its comments. An implementation's
 * test gives a way to name tests, and one to make fresh stores.
 */
export function metadataStoreConformance(testing: MetadataTesting): void {
  commitTests(testing);
  longTests(testing);
  numberTests(testing);
  textTests(testing);
  findTests(testing);
  deleteTests(testing);
  listTests(testing);
  lineageTests(testing);
  operationTests(testing);
  valueTests(testing);
  keptTests(testing);
  compactTests(testing);
  concurrentTests(testing);
}
