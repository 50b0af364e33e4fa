import type { CallOptions } from "../../engine/main.ts";
import { exchangeFailure } from "./failures.ts";
import type { HttpAnswer } from "./http.ts";
import type { Ask, Transport } from "./transport.ts";

export interface Download {
  transport: Transport;
  ask: Omit<Ask<HttpAnswer>, "take" | "signal" | "body">;
}

/**
 * The bytes of a file. Where the connection breaks they go on behind what was given: servers that know ranges are asked for the rest of
 * the same file, and of others the beginning is passed over. Who reads compares with a digest.
 */
export async function* resumed(download: Download, options?: CallOptions): AsyncGenerator<Uint8Array> {
  const { transport, ask } = download;
  let given = 0;
  let tag: string | undefined;
  for (let tries = 0; ; tries++) {
    const headers: Record<string, string> = {
      ...ask.headers,
      ...(given > 0 && tag && { range: `bytes=${given}-`, "if-range": tag }),
    };
    const answer = await transport.ask({ ...ask, headers, take: async (all) => all, ...options });
    tag = strong(answer.header("etag"));
    let skip = answer.status === 206 ? 0 : given;
    try {
      for await (const piece of answer.pieces()) {
        const passed = Math.min(skip, piece.byteLength);
        skip -= passed;
        if (passed === piece.byteLength) continue;
        given += piece.byteLength - passed;
        yield passed === 0 ? piece : piece.subarray(passed);
      }
      return;
    } catch (error) {
      const failure = exchangeFailure(error, transport.location.uri);
      await transport.waitFor(failure, tries, options?.signal);
    } finally {
      answer.end();
    }
  }
}

/** Others may stand for bytes that are not the same. */
function strong(tag: string | undefined): string | undefined {
  return tag?.startsWith('"') ? tag : undefined;
}
