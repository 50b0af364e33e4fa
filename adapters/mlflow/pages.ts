import { type CallOptions, VarveError } from "../../engine/main.ts";
import { objects, optionalText } from "./fields.ts";
import type { Ask, JsonObject, Transport } from "./transport.ts";

/** Of one list. */
const PAGES_MAX = 100_000;

export interface Pages {
  doing: string;
  method: "GET" | "POST";
  path: string;
  /** Without the token of the page. */
  fields: JsonObject;
  /** What the list is called in an answer. */
  list: string;
}

/** All of a search, a page at a time. */
export async function* paged<T>(
  transport: Transport,
  { doing, method, path, fields, list }: Pages,
  take: (each: JsonObject) => T,
  options?: CallOptions,
): AsyncGenerator<T> {
  let token: string | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const asked = { ...fields, ...(token !== undefined && { page_token: token }) };
    const answer = await transport.json(
      { doing, method, path, ...inRequest(method, asked), ...options },
      (all) => all,
    );
    yield* objects(answer[list]).map(take);
    token = optionalText(answer.next_page_token);
    if (token === undefined) return;
  }
  throw new VarveError("NOT_SUPPORTED", `${doing}: the list has no end`, { hint: "look at the server" });
}

function inRequest(method: string, fields: JsonObject): Pick<Ask<unknown>, "query"> & { body?: JsonObject } {
  if (method === "POST") return { body: fields };
  return {
    query: Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, String(value)])),
  };
}
