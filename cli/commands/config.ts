import { stat } from "node:fs/promises";
import type { Json } from "../../engine/main.ts";
import { paint } from "../color.ts";
import { type Context, missingStore, overridesOf, sourcesOf } from "../context.ts";
import { CommandError, usageError } from "../errors.ts";
import { loadConfiguration } from "../library.ts";
import { jsonText, printable } from "../printable.ts";
import { withoutSecrets } from "../secrets.ts";
import { defineVerb } from "../verb.ts";

interface Entry {
  readonly item: string;
  readonly value: Json | undefined;
  readonly origin: string;
  readonly from?: string;
}

async function entriesOf(context: Context): Promise<Entry[]> {
  const { resolveConfig } = await loadConfiguration();
  const entries = resolveConfig(overridesOf(context), sourcesOf(context));
  return Promise.all(entries.map(async (entry) => ({ ...entry, value: await withoutSecrets(entry.value) })));
}

async function homeOf(context: Context): Promise<string> {
  const { resolveHome } = await loadConfiguration();
  return resolveHome(overridesOf(context), sourcesOf(context)).value as string;
}

/** A text as it is, anything else as JSON. */
function valueText(value: Json): string {
  return printable(typeof value === "string" ? value : jsonText(value));
}

async function list(context: Context): Promise<void> {
  for (const { item, value, origin, from } of await entriesOf(context)) {
    if (context.json)
      await context.output.document({ item, value: value ?? null, origin, ...(from && { from }) });
    else {
      const source = paint(
        `(${printable(from === undefined ? origin : `${origin}: ${from}`)})`,
        "dim",
        context.color,
      );
      await context.output.line(`${item} = ${value === undefined ? "none" : valueText(value)} ${source}`);
    }
  }
}

async function get(item: string, context: Context): Promise<void> {
  const entry = (await entriesOf(context)).find((each) => each.item === item);
  if (entry === undefined) throw await unknownItem(item);
  if (entry.value === undefined) throw new CommandError("NOT_FOUND", `${item} is not set`);
  if (context.json) await context.output.document(entry);
  else await context.output.line(valueText(entry.value));
}

async function unknownItem(item: string): Promise<CommandError> {
  const { CONFIG_ITEMS } = await loadConfiguration();
  return usageError(`unknown item ${JSON.stringify(item)}`, `the items are ${CONFIG_ITEMS.join(", ")}`);
}

/** The value that was written on the command line; a wrong one is a mistake in the command, not in the configuration. */
async function parsedValue(item: string, text: string, context: Context): Promise<Json> {
  const { isConfigItem, parseConfigValue } = await loadConfiguration();
  if (!isConfigItem(item)) throw await unknownItem(item);
  try {
    return parseConfigValue(item, text, "config set", context.io.cwd);
  } catch (error) {
    throw usageError((error as Error).message);
  }
}

async function set(item: string, text: string | undefined, context: Context): Promise<void> {
  const value = text === undefined ? undefined : await parsedValue(item, text, context);
  const home = await homeOf(context);
  const isFolder = await stat(home).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) throw missingStore(home);
  const { isConfigItem, writeConfigItem } = await loadConfiguration();
  if (!isConfigItem(item)) throw await unknownItem(item);
  await writeConfigItem(home, item, value);
  const shown = await withoutSecrets(value);
  if (context.json) await context.output.document({ item, value: shown ?? null });
  else await context.output.line(`${item} = ${shown === undefined ? "none" : valueText(shown)}`);
}

async function path(context: Context): Promise<void> {
  const { configFilePath } = await loadConfiguration();
  const file = configFilePath(await homeOf(context));
  if (context.json) await context.output.document({ path: file });
  else await context.output.line(printable(file));
}

/** The arguments that an action does not take are as wrong as those that it lacks. */
function checkCount(action: string, words: (string | undefined)[], count: number): void {
  const given = words.filter((word) => word !== undefined).length;
  if (given < count) throw usageError(`config ${action} needs ${count === 1 ? "<item>" : "<item> <value>"}`);
  if (given > count) throw usageError(`unexpected argument ${JSON.stringify(words[count])}`);
}

export default defineVerb({
  name: "config",
  required: ["action"],
  optional: ["item", "value"],
  options: { delete: { kind: "flag", describe: "with set: remove the item from the file" } },
  about:
    "The actions are list (all values with their origin), get <item>, set <item> <value> (in the file of the store), and path " +
    "(of that file). Credentials are not shown. Sizes may be written as 10GB or 64MiB.",
  examples: [
    ["varve config list", "what holds here, and why"],
    ["varve config set max_size 10GB", "in the store's config.json"],
    ["varve config set max_size --delete", "back to the default"],
  ],
  async run({ given: { action, item, value }, options: { delete: isDelete } }, context) {
    const counts: Record<string, number> = { list: 0, path: 0, get: 1, set: isDelete ? 1 : 2 };
    const count = Object.hasOwn(counts, action) ? counts[action]! : -1;
    if (count < 0)
      throw usageError(`unknown action ${JSON.stringify(action)}`, "it is one of list, get, set, path");
    if (isDelete && action !== "set") throw usageError("--delete is for config set");
    checkCount(action, [item, value], count);
    if (action === "list") await list(context);
    else if (action === "path") await path(context);
    else if (action === "get") await get(item!, context);
    else await set(item!, value, context);
    return undefined;
  },
});
