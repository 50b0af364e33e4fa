/** Opens a home as the options say, loads the refs given, tries to save where told, and prints what came of it. */
import type { StoreOptions } from "../../engine/api.ts";
import { openStore } from "../../engine/main.ts";

const [home, options, ...refs] = process.argv.slice(2) as [string, string, ...string[]];

interface Failed {
  code?: string;
  name: string;
  hint?: string;
  message: string;
}

const failed = ({ code, name, hint, message }: Failed) => ({ code, name, hint, message });

try {
  const store = await openStore({ home, ...(JSON.parse(options) as StoreOptions) });
  const values = [];
  for (const ref of refs) values.push(await store.load(ref).catch(failed));
  const listed = [];
  for await (const { ref } of store.list()) listed.push(ref);
  const saved = await store.save("new", 1).then(({ ref }) => ({ ref }), failed);
  await store.close();
  console.log(JSON.stringify({ values, listed, saved }));
} catch (error) {
  console.log(JSON.stringify({ failed: failed(error as Failed) }));
}
