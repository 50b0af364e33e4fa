import { once } from "node:events";
import type { REPLServer } from "node:repl";
import { PassThrough } from "node:stream";
import type { Session } from "../../adapters/main.ts";
import { type Context, type Io, overridesOf } from "../context.ts";
import { loadPackage } from "../library.ts";
import { defineVerb } from "../verb.ts";

const WELCOME = `\`store\` is the store, \`options\` its configuration: await store.load("name"), await options.set("database_url", "…").
Leave with .exit or Ctrl-D.`;

async function converse(context: Context): Promise<void> {
  // It takes a while to load, for which all other verbs would wait too.
  const { start } = await import("node:repl");
  const { openSession } = await loadPackage();
  const session = await openSession(overridesOf(context));
  const { io } = context;
  try {
    if (io.stdin.isTTY && io.stdout.isTTY) {
      context.note(WELCOME);
      const options = { prompt: "varve> ", input: io.stdin, output: io.stdout, terminal: true };
      await ended(start(options), session, io);
    } else {
      const input = new PassThrough();
      const server = start({ prompt: "", input, output: io.stdout, terminal: false });
      await Promise.all([ended(server, session, io), feed(server, input, io)]);
    }
  } finally {
    await session.close();
  }
}

async function ended(server: REPLServer, session: Session, { signal }: Io): Promise<void> {
  Object.defineProperties(server.context, {
    session: { value: session, enumerable: true },
    store: { get: () => session.store, enumerable: true },
    options: { value: session.options, enumerable: true },
  });
  signal.addEventListener("abort", () => server.close(), { once: true });
  await once(server, "exit");
}

/** Node.js would run the lines of a file or a pipe all at once, whatever they await: here each waits for the one before. */
async function feed(server: REPLServer, input: PassThrough, { stdin }: Io): Promise<void> {
  let isDone = () => {};
  const evaluate = server.eval;
  const evaluated: typeof server.eval = function (this: REPLServer, code, scope, file, callback) {
    evaluate.call(this, code, scope, file, (error, result) => {
      callback(error, result);
      isDone();
    });
  };
  Object.assign(server, { eval: evaluated });
  const { createInterface } = await import("node:readline");
  const lines = createInterface({ input: stdin });
  let isOver = false;
  server.once("exit", () => {
    isOver = true;
    lines.close();
    isDone();
  });
  for await (const line of lines) {
    if (isOver) return;
    const isCommand = /^\s*(\.[a-z]+.*)?$/.test(line);
    const done = new Promise<void>((resolve) => {
      isDone = resolve;
    });
    input.write(`${line}\n`);
    if (!isCommand) await done;
  }
  input.end();
}

export default defineVerb({
  name: "repl",
  about:
    "An interactive session of Node.js: `store` is always the store as configured now, and `options.set` goes over to other " +
    "places: the new ones are opened, then the old ones are closed. `await` works at the prompt.",
  examples: [
    ["varve repl", "then: await store.load('iris/model')"],
    ["echo 'await store.stats()' | varve repl", "lines from a script"],
  ],
  async run(_, context) {
    await converse(context);
    return undefined;
  },
});
