/** What a check has found. */
export interface Finding {
  check: string;
  state: "ok" | "warning" | "failed";
  text: string;
  hint?: string;
  /** Of the error, where there was one. */
  code?: string;
}

export function ok(check: string, text: string): Finding {
  return { check, state: "ok", text };
}

export function warning(check: string, text: string, hint: string): Finding {
  return { check, state: "warning", text, hint };
}

/** @param error of Varve, or of the system */
export function failed(check: string, error: unknown): Finding {
  const { code, message, hint } = error as { code?: string; message: string; hint?: string };
  return { check, state: "failed", text: message, ...(hint && { hint }), ...(code && { code }) };
}
