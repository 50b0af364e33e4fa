import type { Column, CopiedRows } from "../session.ts";
import { putInt16, putValue, roomFor } from "./postgresql-values.ts";

/**
 * Many rows by `copy … from stdin`, in its binary format: the server plans nothing, and puts rows into a page together. Rows of
 * several tables go in one round trip: messages are sent one behind another, and answered together.
 */

const SIGNATURE = Buffer.from("PGCOPY\n\xff\r\n\0", "latin1");
/** Flags, and the length of an extension: there are none. */
const HEADER_BYTES = SIGNATURE.length + 8;
const COUNT_BYTES = 2;
const END = -1;
/** The first guess. */
const ROW_BYTES = 512;
/** Of one message. */
const PIECE_BYTES = 1024 * 1024;

export function copyOf(table: string, columns: readonly Column[], rows: readonly object[]): CopiedRows {
  const names = columns.map(({ name }) => `"${name}"`).join(", ");
  return { sql: `copy ${table} (${names}) from stdin binary`, data: rowsAsBytes(columns, rows) };
}

function rowsAsBytes(columns: readonly Column[], rows: readonly object[]): Buffer {
  let bytes = Buffer.allocUnsafe(HEADER_BYTES + ROW_BYTES * rows.length + COUNT_BYTES);
  bytes.fill(0, SIGNATURE.copy(bytes), HEADER_BYTES);
  let at = HEADER_BYTES;
  for (const row of rows as readonly Record<string, unknown>[]) {
    let room = 2 * COUNT_BYTES;
    for (const { name } of columns) room += roomFor(row[name]);
    if (at + room > bytes.length) bytes = Buffer.concat([bytes], 2 * bytes.length + room);
    at = putInt16(bytes, columns.length, at);
    for (const { name, kind } of columns) at = putValue(bytes, kind, row[name], at);
  }
  return bytes.subarray(0, putInt16(bytes, END, at));
}

/** What pg does not declare. */
interface Connection {
  stream: { cork(): void; uncork(): void };
  parse(statement: { text: string }): void;
  bind(): void;
  execute(): void;
  sendCopyFromChunk(piece: Uint8Array): void;
  endCopyFrom(): void;
  sync(): void;
}

/** The server passes over what was sent behind a failure. */
class Copy {
  readonly #tables: readonly CopiedRows[];
  readonly #onEnd: (error?: Error) => void;
  #error: Error | undefined;

  constructor(tables: readonly CopiedRows[], onEnd: (error?: Error) => void) {
    this.#tables = tables;
    this.#onEnd = onEnd;
  }

  submit(connection: Connection): void {
    connection.stream.cork();
    for (const { sql, data } of this.#tables) {
      connection.parse({ text: sql });
      connection.bind();
      connection.execute();
      for (let at = 0; at < data.length; at += PIECE_BYTES)
        connection.sendCopyFromChunk(data.subarray(at, at + PIECE_BYTES));
      connection.endCopyFrom();
    }
    connection.sync();
    connection.stream.uncork();
  }

  handleCopyInResponse(): void {
    // What it asks for is on its way.
  }

  handleCommandComplete(): void {
    // One table is through.
  }

  /** Behind a failure pg does not tell when the connection is free, but gives it to the next one then. */
  handleError(error: Error): void {
    this.#error ??= error;
    this.#onEnd(this.#error);
  }

  handleReadyForQuery(): void {
    this.#onEnd();
  }
}

/** @param submit gives it to pg, which calls its `submit` when the connection is free */
export function copyRows(submit: (copy: object) => void, tables: readonly CopiedRows[]): Promise<void> {
  return new Promise((resolve, reject) => {
    submit(new Copy(tables, (error) => (error ? reject(error) : resolve())));
  });
}
