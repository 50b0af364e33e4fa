import type { Environment } from "../api.ts";
import { environmentKey } from "../artifact-key.ts";
import { encodeValue } from "../codec/cbor.ts";
import type { EngineCore } from "../engine.ts";
import type { PreparedBlob, Transaction } from "../transaction.ts";
import { preparePayload } from "../transaction.ts";
import type { TakenEnvironment } from "./take.ts";

/** An environment ready to be stored with a save. */
export interface PreparedEnvironment {
  blob: PreparedBlob;
  /** A commit of this open store has found or made its row, which nothing removes. */
  stored: boolean;
}

const NOTHING = new Uint8Array();

/** The environment that saves are made in: encoded again only when more of it is known. */
export class SavedEnvironment {
  readonly #taken: TakenEnvironment;
  readonly #core: EngineCore;
  readonly #onPrepared: (digest: Buffer, environment: Environment) => void;
  #of: Environment | undefined;
  #prepared: PreparedEnvironment | undefined;

  constructor(
    taken: TakenEnvironment,
    core: EngineCore,
    onPrepared: (digest: Buffer, environment: Environment) => void,
  ) {
    this.#taken = taken;
    this.#core = core;
    this.#onPrepared = onPrepared;
  }

  /** As it is known now. */
  prepared(): PreparedEnvironment {
    const { current } = this.#taken;
    if (this.#prepared && this.#of === current) return this.#prepared;
    const blob = this.#core.prepareBlob(Buffer.from(encodeValue(current, "environment")));
    this.#onPrepared(blob.digest, current);
    this.#of = current;
    this.#prepared = { blob, stored: false };
    return this.#prepared;
  }

  stop(): void {
    this.#taken.stop();
  }
}

/** Sees to it that the environment is there: its row keeps the blob, once for all versions that name it. */
export function putEnvironment(transaction: Transaction, environment: PreparedEnvironment): void {
  if (environment.stored) return;
  const { blob } = environment;
  const key = environmentKey(blob.digest);
  transaction.putBlob(blob);
  if (!transaction.row(key)) transaction.put(key, preparePayload([blob.digest], NOTHING, blob.salt));
}
