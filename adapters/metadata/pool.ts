import { closedError, unavailable } from "./failure.ts";
import type { Session, SessionLimits, SqlDialect } from "./session.ts";

/** Connections that nobody used for so long are closed: a server may close them after a minute. */
const IDLE_MAX = 20_000;

interface Waiter {
  resolve(session: Session): void;
  reject(error: unknown): void;
  timer: NodeJS.Timeout;
}

/** The connections of one open store: at most `sessionsMax`, those in use and those that wait to be used again. */
export class SessionPool {
  readonly dialect: SqlDialect;
  readonly limits: SessionLimits;
  readonly #idle: { session: Session; since: number }[] = [];
  readonly #used = new Set<Session>();
  readonly #waiting: Waiter[] = [];
  #opening = 0;
  #isClosed = false;
  #onEmpty: (() => void) | undefined;
  #sweeper: NodeJS.Timeout | undefined;

  constructor(dialect: SqlDialect, limits: SessionLimits) {
    this.dialect = dialect;
    this.limits = limits;
  }

  async acquire(): Promise<Session> {
    if (this.#isClosed) throw closedError();
    const idle = this.#takeIdle();
    if (idle) return idle;
    if (this.#used.size + this.#opening < this.dialect.sessionsMax) return this.#open();
    return this.#wait();
  }

  release(session: Session): void {
    this.#used.delete(session);
    if (session.isLost || this.#isClosed) {
      session.destroy();
      this.#openForWaiter();
    } else {
      const waiter = this.#nextWaiter();
      if (waiter) {
        this.#used.add(session);
        waiter.resolve(session);
      } else {
        this.#idle.push({ session, since: performance.now() });
        this.#sweeper ??= setInterval(() => this.#sweep(), IDLE_MAX / 2).unref();
      }
    }
    this.#tellEmpty();
  }

  /** Ends connections that nobody uses, and the others when they are given back. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#sweeper);
    for (let waiter = this.#nextWaiter(); waiter; waiter = this.#nextWaiter()) waiter.reject(closedError());
    const closing = this.#idle
      .splice(0)
      .map(({ session }) => closeWithin(session, this.limits.connectWaitMax));
    await Promise.all(closing);
    if (this.#used.size + this.#opening === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  #takeIdle(): Session | undefined {
    // The one that was used last: others grow old, and are closed.
    for (let entry = this.#idle.pop(); entry; entry = this.#idle.pop()) {
      if (entry.session.isLost) entry.session.destroy();
      else {
        this.#used.add(entry.session);
        return entry.session;
      }
    }
    return undefined;
  }

  async #open(): Promise<Session> {
    this.#opening++;
    try {
      const session = await this.#connectInTime();
      this.#used.add(session);
      return session;
    } catch (error) {
      const explained = this.dialect.explain(error);
      this.#rejectWaiter(explained);
      throw explained;
    } finally {
      this.#opening--;
      this.#tellEmpty();
    }
  }

  async #connectInTime(): Promise<Session> {
    const connecting = this.dialect.connect();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const message = `no connection to ${this.dialect.location} within ${this.limits.connectWaitMax} ms`;
      timer = setTimeout(() => reject(unavailable("late", message)), this.limits.connectWaitMax);
    });
    try {
      return await Promise.race([connecting, late]);
    } catch (error) {
      // One that is made after all is of no use any more.
      connecting.then(
        (session) => session.destroy(),
        () => {},
      );
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #wait(): Promise<Session> {
    return new Promise((resolve, reject) => {
      const waitMax = this.limits.statementWaitMax;
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(unavailable("late", `no connection to ${this.dialect.location} became free in ${waitMax} ms`));
      }, waitMax);
      const waiter: Waiter = { resolve, reject, timer };
      this.#waiting.push(waiter);
    });
  }

  #nextWaiter(): Waiter | undefined {
    const waiter = this.#waiting.shift();
    if (waiter) clearTimeout(waiter.timer);
    return waiter;
  }

  /** A connection is gone, and somebody waits for one. */
  #openForWaiter(): void {
    const waiter = this.#isClosed ? undefined : this.#nextWaiter();
    if (waiter) this.#open().then(waiter.resolve, waiter.reject);
  }

  /** Each that waits would meet the same, one after another. */
  #rejectWaiter(error: unknown): void {
    if (this.#used.size > 0) return;
    for (let waiter = this.#nextWaiter(); waiter; waiter = this.#nextWaiter()) waiter.reject(error);
  }

  #tellEmpty(): void {
    if (this.#used.size + this.#opening === 0) this.#onEmpty?.();
  }

  #sweep(): void {
    const until = performance.now() - IDLE_MAX;
    while (this.#idle[0] && this.#idle[0].since <= until) void this.#idle.shift()!.session.close();
    if (this.#idle.length > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }
}

async function closeWithin(session: Session, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([session.close().catch(() => {}), late]);
  clearTimeout(timer);
  session.destroy();
}
