import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { VarveError } from "../errors.ts";

/** The same few things asked of sources of all kinds. */
export interface Pull {
  /** What errors call it. */
  readonly name: string;
  /** Whether it may take as long as it likes to answer. */
  readonly mayHang: boolean;
  /** As that of an iterator: what it gives is good until the next call. */
  next(): Promise<IteratorResult<unknown>>;
  /** Leaves nothing open. Also before the first `next`, and while one waits. */
  close(): Promise<unknown>;
}

export const ITERATOR_HINT = "make bytes of the objects first, for example a line of JSON of each";

/** An iterator that was at its end before can't be told from one that has nothing to give. */
export function iteratorPull(source: AsyncIterable<unknown>): Pull {
  // Asked for late: what it throws then is told as any error of it.
  let iterator: AsyncIterator<unknown> | undefined;
  return {
    name: "the iterable",
    mayHang: true,
    next: async () => {
      iterator ??= source[Symbol.asyncIterator]();
      return await iterator.next();
    },
    close: async () => {
      iterator ??= source[Symbol.asyncIterator]();
      await iterator.return?.();
    },
  };
}

export function nodePull(stream: Readable): Pull {
  const name = "the stream";
  // From here on its errors are ours: without a listener one that comes before the first read would end the process.
  stream.on("error", () => {});
  if (!stream.errored) {
    const used = usedUp(stream);
    if (used) throw refused(name, used);
  }
  const iterator = stream[Symbol.asyncIterator]();
  return {
    name,
    mayHang: true,
    next: async () => {
      if (stream.errored) throw stream.errored;
      return await iterator.next();
    },
    // Its iterator would first wait for the piece that it was asked for.
    close: async () => void stream.destroy(),
  };
}

export function webPull(stream: ReadableStream): Pull {
  const name = "the stream";
  if (stream.locked) throw refused(name, "is locked by another reader");
  if (isDisturbed(stream)) throw refused(name, "was read from before");
  const reader = stream.getReader();
  return {
    name,
    mayHang: true,
    next: async () => {
      const result = await reader.read();
      if (result.done) reader.releaseLock();
      return result as IteratorResult<unknown>;
    },
    close: async () => {
      try {
        await reader.cancel();
      } finally {
        reader.releaseLock();
      }
    },
  };
}

function usedUp(stream: Readable): string | undefined {
  if (stream.destroyed) return "was destroyed before";
  return isDisturbed(stream) ? "was read from before" : undefined;
}

function isDisturbed(stream: Readable | ReadableStream): boolean {
  return Readable.isDisturbed(stream as Readable);
}

function refused(name: string, what: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", `${name} ${what}`, {
    hint: "give a stream that nothing has read from; the rest of one can be given by an async generator",
  });
}
