import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type OpenMetadataOptions, openMetadata } from "../../adapters/metadata/open.ts";
import type { MetadataStore } from "../../engine/main.ts";
import type { OpenedMetadata } from "../conformance/metadata-store.ts";
import { fastFolder } from "../helpers/folders.ts";
import { Relay } from "../services/relay.ts";
import type { DatabaseName } from "../services/server.ts";
import { newDatabase } from "../services/services.ts";

export const WRITABLE: OpenMetadataOptions = { create: true, readOnly: false };

const ends: (() => Promise<unknown>)[] = [];

/** For what a test that fails leaves open: a process ends when nothing is. */
function atEnd(end: () => Promise<unknown>): void {
  ends.push(end);
}

/** For `after.each`. What was ended by the test itself is no matter. */
export async function endAll(): Promise<void> {
  for (const end of ends.splice(0).reverse()) await end().catch(() => {});
}

export async function openTest(url: string, options: OpenMetadataOptions): Promise<MetadataStore> {
  const store = await openMetadata(url, options);
  atEnd(() => store.close());
  return store;
}

/** In front of the server of a URL. */
export async function newRelay(url: string): Promise<Relay> {
  const relay = await Relay.to(portOf(url));
  atEnd(() => relay.close());
  return relay;
}

/** Where a fresh database is. */
export interface FreshPlace {
  url: string;
  /** Connections to it, as the server tells; 0 where there is no server. */
  connections(): Promise<number>;
  remove(): Promise<void>;
}

export async function sqlitePlace(): Promise<FreshPlace> {
  const folder = mkdtempSync(join(fastFolder(), "varve-test-"));
  atEnd(async () => rmSync(folder, { recursive: true, force: true }));
  return {
    url: `sqlite:///${join(folder, "metadata.db")}`,
    connections: async () => 0,
    remove: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** @param scheme another one for the same server */
export async function servicePlace(name: DatabaseName, scheme?: string): Promise<FreshPlace> {
  const database = await newDatabase(name);
  atEnd(() => database.drop());
  const url = scheme ? database.url.replace(/^[a-z]+/, scheme) : database.url;
  return { url, connections: () => database.connections(), remove: () => database.drop() };
}

/** Through a relay. */
export function throughPort(url: string, port: number): string {
  return url.replace(/:\d+\//, `:${port}/`);
}

function portOf(url: string): number {
  return Number(/:(\d+)\//.exec(url)![1]);
}

/** Looks again until it holds; bounded. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries === 1000) throw new Error("it never came to be");
    await sleep(10);
  }
}

/** For the suite of the port. */
export async function openFresh(place: FreshPlace): Promise<OpenedMetadata> {
  const opened: MetadataStore[] = [];
  const again = async () => {
    const store = await openTest(place.url, WRITABLE);
    opened.push(store);
    return store;
  };
  const close = async () => {
    await Promise.all(opened.map((store) => store.close()));
    await place.remove();
  };
  return { store: await again(), again, close };
}
