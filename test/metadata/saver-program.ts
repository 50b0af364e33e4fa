/**
 * Saves the same names as others do, over several connections: `url connections rounds name …`. Prints one line: the versions
 * it was given.
 */
import { openMetadata } from "../../adapters/metadata/open.ts";
import { save } from "../conformance/metadata-support.ts";

const [url, connections, rounds, ...names] = process.argv.slice(2);
const given: string[] = [];

async function saveAll(connection: number): Promise<void> {
  const store = await openMetadata(url!, { create: true, readOnly: false, lockWaitMax: 60_000 });
  for (let round = 0; round < Number(rounds); round++) {
    const units = names.map((name) => ({ operations: [save(name)], time: Date.now() }));
    // One by one, and together.
    const isTogether = (round + connection) % 2 === 0;
    const results = isTogether
      ? await store.commit(units)
      : (await Promise.all(units.map((unit) => store.commit([unit])))).flat();
    for (const result of results) {
      if (result instanceof Error) throw result;
      for (const { name, version } of result.versions) given.push(`${name}:${version}`);
    }
  }
  await store.close();
}

await Promise.all(Array.from({ length: Number(connections) }, (_, connection) => saveAll(connection)));
console.log(JSON.stringify(given));
