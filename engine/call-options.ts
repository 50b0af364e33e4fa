import type { CallOptions } from "./api.ts";

/** What of a call's options is handed on to the calls that it makes: others are the call's own. */

type Given = { [K in keyof CallOptions]?: CallOptions[K] | undefined };

export function signalOf(options: Given | undefined): Pick<CallOptions, "signal"> {
  return options?.signal ? { signal: options.signal } : {};
}

/** Where one of those calls tells how far all is. */
export function callOf({ signal, onProgress }: Given): CallOptions {
  return { ...(signal && { signal }), ...(onProgress && { onProgress }) };
}
