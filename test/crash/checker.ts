/** Opens a home after a kill and checks it against what was acknowledged; prints what is wrong. */
import { readFileSync } from "node:fs";
import { openStore } from "../../engine/main.ts";

interface Acknowledged {
  ref: string;
  id: string;
  length: number;
}

const [home, file, rebuild] = process.argv.slice(2) as [string, string, string];
const acknowledged: Acknowledged[] = JSON.parse(readFileSync(file, "utf8"));
const store = await openStore({ home, environment: false });
if (rebuild === "rebuild") await store.rebuildIndex();

const wrong: string[] = [];
const seen = new Map<string, string>();
for (const { ref, id, length } of acknowledged) {
  if (seen.has(ref)) wrong.push(`${ref} was given to ${seen.get(ref)} and to ${id}`);
  seen.set(ref, id);
  const value = await store.load<{ id: string; text: string }>(ref).catch((error) => error);
  if (value.id !== id || value.text.length !== length)
    wrong.push(`${ref} is not ${id}: ${value.message ?? value.id}`);
}
const ids = new Map<string, string[]>();
for await (const artifact of store.list({ allVersions: true })) {
  const { id } = await artifact.value<{ id: string }>();
  ids.set(id, [...(ids.get(id) ?? []), artifact.ref]);
}
for (const [id, refs] of ids) if (refs.length > 2) wrong.push(`${id} is there several times: ${refs}`);
for await (const { name } of store.list()) {
  let next = 0;
  for await (const { version } of store.versions(name)) {
    if (version !== next) wrong.push(`${name}:${next} is missing, ${version} follows`);
    next = version + 1;
  }
  // Batches save both or none.
  if (!name.endsWith("/twin")) continue;
  for await (const artifact of store.versions(name)) {
    const { id } = await artifact.value<{ id: string }>();
    if (ids.get(id)?.length === 1) wrong.push(`half a batch: ${id}`);
  }
}
const { ok, problems } = await store.verify({ full: true });
if (!ok) wrong.push(...problems.map(({ message }) => message));
const { versions, segments } = await store.stats();
await store.close();
console.log(JSON.stringify({ wrong: wrong.slice(0, 10), versions, segments }));
