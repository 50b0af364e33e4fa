/**
 * The items of pages, one at a time: while a page lasts, each costs a promise that is resolved already, where a generator
 * would make three and wait for two. Its calls behave as those of a generator: one begun before another was answered waits
 * for it, and after an end or a failure there is nothing more.
 */
export class PageItems<T> implements AsyncIterableIterator<T> {
  readonly #pages: AsyncGenerator<readonly T[]>;
  readonly #refusal: () => Error | undefined;
  #page: readonly T[] = [];
  #at = 0;
  /** The last call that is not answered yet. */
  #running: Promise<unknown> | undefined;

  /** @param refusal why no more may be given, if so: asked before each item */
  constructor(pages: AsyncGenerator<readonly T[]>, refusal: () => Error | undefined) {
    this.#pages = pages;
    this.#refusal = refusal;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#running || this.#at === this.#page.length || this.#refusal())
      return this.#inTurn(() => this.#step());
    return Promise.resolve({ value: this.#page[this.#at++]!, done: false });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    return this.#inTurn(() => this.#end());
  }

  throw(error: unknown): Promise<IteratorResult<T, undefined>> {
    return this.#inTurn(() => this.#fail(error));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #inTurn<R>(action: () => Promise<R>): Promise<R> {
    const call = this.#running ? this.#running.then(action, action) : action();
    this.#running = call;
    const done = () => {
      if (this.#running === call) this.#running = undefined;
    };
    call.then(done, done);
    return call;
  }

  async #step(): Promise<IteratorResult<T, undefined>> {
    while (this.#at === this.#page.length) {
      const { value, done } = await this.#pages.next();
      if (done) return this.#end();
      this.#page = value;
      this.#at = 0;
    }
    const refused = this.#refusal();
    return refused ? this.#fail(refused) : { value: this.#page[this.#at++]!, done: false };
  }

  async #end(): Promise<IteratorResult<T, undefined>> {
    this.#page = [];
    this.#at = 0;
    await this.#pages.return(undefined);
    return { value: undefined, done: true };
  }

  /** What went wrong counts, and not what goes wrong while it ends. */
  async #fail(error: unknown): Promise<never> {
    await this.#end().catch(() => {});
    throw error;
  }
}
