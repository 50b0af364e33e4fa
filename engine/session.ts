import type { ArtifactStore, Json, Session, SessionOptions, StoreOptions } from "./api.ts";
import type { ConfigEntry } from "./config.ts";
import { loadConfig, resolveConfig, resolveHome } from "./config.ts";
import { optionName, parseSessionValue } from "./config-items.ts";
import { VarveError } from "./errors.ts";
import { withoutSecrets } from "./secrets.ts";

type Open = (options: StoreOptions, adjusts?: boolean) => Promise<ArtifactStore>;

/**
 * A store whose places can be changed while it is used.
 * @param open how a store is opened; one that adjusts takes what it wants also where the same home is open already
 */
export async function openSessionWith(open: Open, options: StoreOptions = {}): Promise<Session> {
  const cwd = process.cwd();
  const home = resolveHome(options, { cwd });
  return new OpenSession(open, { options, home, cwd }, await open(await loadConfig(options, { cwd })));
}

/** What was given, and where: a session stays where it is when the process goes to another folder. */
interface Given {
  options: StoreOptions;
  home: ConfigEntry;
  cwd: string;
}

class OpenSession implements Session {
  readonly options: SessionOptions;
  readonly #open: Open;
  readonly #home: ConfigEntry;
  readonly #cwd: string;
  #given: StoreOptions;
  #store: ArtifactStore;
  /** One change after the other. */
  #changing: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(open: Open, { options, home, cwd }: Given, store: ArtifactStore) {
    this.#open = open;
    this.#home = home;
    this.#cwd = cwd;
    this.#given = { ...options, home: home.value as string };
    this.#store = store;
    this.options = {
      get: (item) => this.#entry(item).value,
      list: () => this.#entries(),
      set: (items: string | Record<string, Json | undefined>, value?: Json) =>
        this.#set(typeof items === "string" ? { [items]: value } : items),
    };
  }

  get store(): ArtifactStore {
    return this.#store;
  }

  #entries(): ConfigEntry[] {
    const [_, ...others] = resolveConfig(this.#given, { cwd: this.#cwd });
    return [this.#home, ...others].map((entry) => ({ ...entry, value: withoutSecrets(entry.value) }));
  }

  #entry(item: string): ConfigEntry {
    if (item !== "home") parseSessionValue(item, undefined);
    return this.#entries().find((entry) => entry.item === item)!;
  }

  async #set(items: Record<string, Json | undefined>): Promise<void> {
    const changes = Object.entries(items).map(([item, value]) => [
      optionName(item),
      parseSessionValue(item, value),
    ]);
    const change = this.#changing.then(() => this.#change(Object.fromEntries(changes)));
    this.#changing = change.catch(() => {});
    return change;
  }

  /** The new store is opened before the old one is closed, and on failure nothing has changed. */
  async #change(changes: Partial<StoreOptions>): Promise<void> {
    if (this.#isClosed) throw new VarveError("CLOSED", "the session is closed", { hint: "open another one" });
    const given = { ...this.#given, ...changes };
    const store = await this.#open(await loadConfig(given, { cwd: this.#cwd }), true);
    const old = this.#store;
    this.#given = given;
    this.#store = store;
    await old.close();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#changing;
    await this.#store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
