import { open } from "node:fs/promises";

/** Whether an error of the operating system is one of these. */
export function isCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException)?.code ?? "");
}

/** What `action` gives, or undefined where there is no such file or folder. */
export async function unlessMissing<T>(action: Promise<T>): Promise<T | undefined> {
  try {
    return await action;
  } catch (error) {
    if (isCode(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

/** Some file systems can't be told to: they give no promise that could be kept. */
const NO_SYNC = ["EINVAL", "ENOTSUP", "ENOSYS", "EBADF"];

/** The identity of the folder, whose names are on the disk now; undefined when it is gone. */
export async function syncFolder(path: string): Promise<string | undefined> {
  const folder = await unlessMissing(open(path, "r"));
  if (!folder) return undefined;
  try {
    // A number is given to the next folder as soon as one is removed.
    const { dev, ino, birthtimeNs } = await folder.stat({ bigint: true });
    await folder.sync().catch((error: unknown) => {
      if (!isCode(error, ...NO_SYNC)) throw error;
    });
    return `${dev} ${ino} ${birthtimeNs}`;
  } finally {
    await folder.close();
  }
}

/** At most so many at a time. */
export async function forEachOf<T>(
  items: Iterable<T>,
  width: number,
  action: (item: T) => Promise<void>,
): Promise<void> {
  const left = items[Symbol.iterator]();
  const lane = async () => {
    for (let next = left.next(); !next.done; next = left.next()) await action(next.value);
  };
  await Promise.all(Array.from({ length: width }, lane));
}
