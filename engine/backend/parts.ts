import type { Environment } from "../api.ts";
import type { CallGuard } from "../call-guard.ts";
import type { CodecRegistry } from "../codec/codec.ts";
import type { MetadataOperation, MetadataStore, UnitResult } from "../ports/metadata-store.ts";
import type { BackendConnection } from "./connection.ts";

/** What of a store its versions in a backend need, whichever store it is. */
export interface BackendParts {
  connection: BackendConnection;
  /** Made when it is asked for first. */
  metadata(): MetadataStore;
  /** False where no version of the store can be in the backend. */
  mayHave(): boolean | Promise<boolean>;
  codecs: CodecRegistry;
  calls: Pick<CallGuard, "read" | "iterate">;
  commit(operation: MetadataOperation): Promise<UnitResult>;
  /** @throws READ_ONLY */
  checkWritable(): void;
  /** What saves are made in now. */
  environment(): Environment;
  now(): number;
}
