import { connect, createServer, type Server, type Socket } from "node:net";

/** A network between a client and a server that does what networks do. */

/**
 * What becomes of what a client sends: `lose reply` gives it to the server, and nothing of what that answers to the client; `late`
 * cuts the client off at once, and gives it to the server when it is released.
 */
export type Fate = "pass" | "cut" | "lose reply" | "hold" | "late";

/** What ends with it commits: `read committed` does not. */
export const COMMIT = /commit\0?$/;

/** The beginning of a transaction. */
export const BEGIN = /(begin isolation|start transaction)/;

/** One connection. */
export interface Link {
  client: Socket;
  server: Socket;
  /** What was held back. */
  held: Buffer[] | undefined;
  losesReply: boolean;
  /** Its client is gone, and the server does not know. */
  isLate: boolean;
}

export class Relay {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  /** Asked with what a client sends, as far as it is text. */
  fate: (text: string, link: Link) => Fate = () => "pass";
  /** Connections that were ever made. */
  madeCount = 0;
  /** Nothing goes either way, and no connection ends. */
  isSilent = false;

  private constructor(target: number) {
    this.#server = createServer((client) => this.#link(client, connect(target, "127.0.0.1")));
  }

  static async to(target: number): Promise<Relay> {
    const relay = new Relay(target);
    await new Promise<void>((resolve) => relay.#server.listen(0, "127.0.0.1", resolve));
    return relay;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  get linkCount(): number {
    return this.#links.size;
  }

  /** Lets everything go on that was held back. */
  release(): void {
    for (const link of this.#links) {
      for (const bytes of link.held ?? []) link.server.write(bytes);
      link.held = undefined;
    }
  }

  get heldCount(): number {
    return [...this.#links].filter(({ held }) => held).length;
  }

  /** All connections end. */
  cut(): void {
    for (const link of [...this.#links]) this.#end(link);
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #link(client: Socket, server: Socket): void {
    const link: Link = { client, server, held: undefined, losesReply: false, isLate: false };
    this.#links.add(link);
    this.madeCount++;
    client.on("data", (bytes) => this.#fromClient(link, bytes));
    server.on("data", (bytes) => {
      if (this.isSilent) return;
      if (link.losesReply) this.#end(link);
      else client.write(bytes);
    });
    const ended = (of: Socket) => {
      if (of === server || !link.isLate) this.#end(link);
    };
    for (const socket of [client, server]) {
      socket.on("error", () => ended(socket));
      socket.on("close", () => ended(socket));
    }
  }

  #fromClient(link: Link, bytes: Buffer): void {
    if (this.isSilent) return;
    if (link.held) {
      link.held.push(bytes);
      return;
    }
    const fate = this.fate(bytes.toString("latin1"), link);
    link.losesReply = fate === "lose reply";
    if (fate === "cut") this.#end(link);
    else if (fate === "hold" || fate === "late") link.held = [bytes];
    else link.server.write(bytes);
    if (fate !== "late") return;
    link.isLate = true;
    link.client.destroy();
  }

  #end(link: Link): void {
    this.#links.delete(link);
    link.client.destroy();
    link.server.destroy();
  }
}
