import { mkdirSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import type { FileSystem, LogFile } from "../../engine/log/file.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { systemError } from "../helpers/files.ts";
import type { CallKind } from "./simulated-calls.ts";
import type { SimulatedDisk } from "./simulated-disk.ts";

/** A folder on the real disk beside the home of a simulated one, as for a backup. */
export const besideFolder = ({ home }: SimulatedDisk): string => `${home}-beside`;

/** The simulated disk, and the folder beside it, whose calls may fail as those of the disk do. */
export function withBeside(disk: SimulatedDisk): FileSystem {
  const isBeside = (path: string) => path.startsWith(besideFolder(disk));
  const real = failing(disk);
  const of = (path: string) => (isBeside(path) ? real : disk);
  return {
    open: (path, mode) => of(path).open(path, mode),
    exists: (path) => of(path).exists(path),
    sizeOf: (path) => of(path).sizeOf(path),
    list: (folder) => of(folder).list(folder),
    makeFolder: (path) => of(path).makeFolder(path),
    publish: (from, to) => of(to).publish(from, to),
    link(from, to) {
      if (isBeside(from) === isBeside(to)) return of(to).link(from, to);
      disk.check({ kind: "link", path: to });
      const bytes = disk.contents().get(basename(from));
      if (!bytes) throw systemError("ENOENT", "link");
      writeFileSync(to, bytes, { flag: "wx" });
    },
    replace: (from, to) => of(to).replace(from, to),
    remove: (path) => of(path).remove(path),
    syncFolder: (path) => of(path).syncFolder(path),
    type: (path) => of(path).type(path),
    freeBytes: (path) => of(path).freeBytes(path),
  };
}

function failing(disk: SimulatedDisk): FileSystem {
  const checked = <T>(kind: CallKind, path: string, action: () => T): T => {
    disk.check({ kind, path });
    return action();
  };
  const real = nodeFileSystem;
  return {
    open: (path, mode) =>
      checked(mode === "create" ? "create" : "open", path, () => watched(disk, path, real.open(path, mode))),
    exists: (path) => real.exists(path),
    sizeOf: (path) => checked("size", path, () => real.sizeOf(path)),
    list: (folder) => checked("list", folder, () => real.list(folder)),
    makeFolder: (path) => checked("makeFolder", path, () => mkdirSync(path, { recursive: true })),
    publish: (from, to) => checked("publish", to, () => real.publish(from, to)),
    link: (from, to) => checked("link", to, () => real.link(from, to)),
    replace: (from, to) => checked("replace", to, () => real.replace(from, to)),
    remove: (path) => checked("remove", path, () => real.remove(path)),
    syncFolder: (path) => checked("syncFolder", path, () => real.syncFolder(path)),
    type: (path) => checked("type", path, () => real.type(path)),
    freeBytes: (path) => checked("freeBytes", path, () => real.freeBytes(path)),
  };
}

function watched(disk: SimulatedDisk, path: string, file: LogFile): LogFile {
  const check = (kind: CallKind) => disk.check({ kind, path });
  return {
    read(into, position) {
      check("read");
      return file.read(into, position);
    },
    async readAsync(into, position) {
      check("read");
      return file.readAsync(into, position);
    },
    append(pieces) {
      check("append");
      file.append(pieces);
    },
    size() {
      check("size");
      return file.size();
    },
    sync() {
      check("sync");
      file.sync();
    },
    async syncAsync() {
      check("sync");
      return file.syncAsync();
    },
    close: () => file.close(),
    closeAsync: () => file.closeAsync(),
  };
}
