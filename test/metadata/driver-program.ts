/** Opens each URL as if packages were not installed, and prints how that is refused: `package,… url …`. */
import { register } from "node:module";
import { openMetadata } from "../../adapters/metadata/open.ts";

const [missing, ...urls] = process.argv.slice(2);

const hooks = `
  let missing;
  export const initialize = (names) => { missing = names.split(","); };
  export async function resolve(specifier, context, next) {
    if (missing.some((name) => specifier === name || specifier.startsWith(name + "/")))
      throw Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
    return next(specifier, context);
  }`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`, { data: missing });

const told: unknown[] = [];
for (const url of urls) {
  const error = await openMetadata(url, { create: true, readOnly: false }).catch((reason) => reason);
  told.push({ code: error.code, hint: error.hint, package: error.details?.package });
}
console.log(JSON.stringify(told));
