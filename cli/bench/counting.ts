/** How many there are, each of them having been given. */

export function countOf(all: Iterable<unknown>): number {
  let count = 0;
  for (const each of all) if (each !== undefined) count++;
  return count;
}

export async function countOfAsync(all: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const each of all) if (each !== undefined) count++;
  return count;
}

/** The least text above all that begin so. */
export function endOfPrefix(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}
