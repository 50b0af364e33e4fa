/** What can happen to the small files and folders of a home, and what can stand in their place. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { lockFolder } from "../../engine/index/lock.ts";
import { flipSomeBit } from "../helpers/damage.ts";
import { newestIndex } from "../helpers/indexes.ts";
import type { Random } from "../helpers/random.ts";

export interface ControlDamage {
  what: string;
  apply(home: string, random: Random): void;
  /** Codes with which the store may refuse to open; default: it must open. */
  mayRefuse?: readonly string[];
}

const CONFIG = ["CONFIG", "IO"];
const HUGE_BYTES = 20 * 1024 * 1024;

/** A file's other contents, by name. */
const CONTENTS: Record<string, (random: Random) => string | Buffer> = {
  empty: () => "",
  garbage: (random) => random.bytes(200),
  zeros: () => Buffer.alloc(4096),
  "no JSON": () => '{"a": ',
  null: () => "null",
  "a list": () => "[1, 2]",
  "a number": () => "7",
  "a text": () => '"text"',
  "deep nesting": () => "[".repeat(200_000),
  huge: () => `{"a": "${"x".repeat(HUGE_BYTES)}"}`,
};

/** What may stand in the place of a file. */
const THINGS: Record<string, (path: string) => void> = {
  "a folder": (path) => mkdirSync(path),
  "a folder with files": (path) => {
    mkdirSync(path);
    writeFileSync(join(path, "data.mdb"), "notes");
  },
  "a link to nothing": (path) => symlinkSync("nowhere", path),
  "a link to itself": (path) => symlinkSync(basename(path), path),
  "a file": (path) => writeFileSync(path, "notes"),
};

const inPlace = (path: string, make: (path: string) => void) => {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(dirname(path), { recursive: true });
  make(path);
};

function configDamages(): ControlDamage[] {
  const wrong: Record<string, string> = {
    "an unknown item": '{"colour": "red"}',
    "a wrong type": '{"durability": 7}',
    "a wrong size": '{"min_free_space": -1}',
    "a prototype": '{"__proto__": {"durability": "buffered"}, "constructor": 1}',
  };
  const path = (home: string) => join(home, "config.json");
  return [
    ...Object.entries(CONTENTS).map(([what, content]) => ({
      what: `config.json: ${what}`,
      apply: (home: string, random: Random) => writeFileSync(path(home), content(random)),
      mayRefuse: CONFIG,
    })),
    ...Object.entries(wrong).map(([what, text]) => ({
      what: `config.json: ${what}`,
      apply: (home: string) => writeFileSync(path(home), text),
      mayRefuse: CONFIG,
    })),
    ...Object.entries(THINGS).map(([what, make]) => ({
      what: `config.json: ${what}`,
      apply: (home: string) => inPlace(path(home), make),
      mayRefuse: CONFIG,
    })),
  ];
}

/** Marks that say something else; how far they say the log had been on the disk stays what it is, or is no number. */
const MARKS: Record<string, (mark: Record<string, unknown>) => unknown> = {
  "no clean": ({ clean, ...mark }) => mark,
  "clean is a number": (mark) => ({ ...mark, clean: 5 }),
  "clean is empty": (mark) => ({ ...mark, clean: {} }),
  "a sequence that is a text": (mark) => ({
    ...mark,
    clean: { ...(mark.clean as object), sequence: "many" },
  }),
  "a sequence that is negative": (mark) => ({ ...mark, clean: { ...(mark.clean as object), sequence: -5 } }),
  "a sequence that is a fraction": (mark) => ({
    ...mark,
    clean: { ...(mark.clean as object), sequence: 1.5 },
  }),
  "a sequence that is null": (mark) => ({ ...mark, clean: { ...(mark.clean as object), sequence: null } }),
  "a chain that is no number": (mark) => ({ ...mark, clean: { ...(mark.clean as object), chain: "x" } }),
  "a checksum that is a number": (mark) => ({ ...mark, checksum: 7 }),
  "a wrong checksum": (mark) => ({ ...mark, checksum: "0123456789abcdef" }),
  "another boot": (mark) => ({ ...mark, bootId: "another" }),
  "a wrong inode": (mark) => ({ ...mark, inode: 1 }),
  "texts for numbers": (mark) => ({ ...mark, inode: "1", device: {}, born: [] }),
};

function markDamages(): ControlDamage[] {
  const path = (home: string) => join(newestIndex(home), "trust.json");
  return [
    ...Object.entries(CONTENTS).map(([what, content]) => ({
      what: `trust.json: ${what}`,
      apply: (home: string, random: Random) => writeFileSync(path(home), content(random)),
    })),
    ...Object.entries(MARKS).map(([what, change]) => ({
      what: `trust.json: ${what}`,
      apply: (home: string) =>
        writeFileSync(path(home), JSON.stringify(change(JSON.parse(readFileSync(path(home), "utf8"))))),
    })),
    ...Object.entries(THINGS).map(([what, make]) => ({
      what: `trust.json: ${what}`,
      apply: (home: string) => inPlace(path(home), make),
    })),
    { what: "trust.json: missing", apply: (home) => rmSync(path(home)) },
    {
      what: "trust.json: a flipped bit",
      apply: (home, random) => {
        const bytes = readFileSync(path(home));
        flipSomeBit(bytes, random);
        writeFileSync(path(home), bytes);
      },
    },
  ];
}

function indexDamages(): ControlDamage[] {
  const names = [
    "index-0",
    "index-0000",
    "index-00001",
    "index-7",
    "index-9007199254740993",
    `index-${"9".repeat(40)}`,
    "index-",
    "index-x",
    "index-1.tmp",
  ];
  return [
    ...Object.entries(THINGS).map(([what, make]) => ({
      what: `the index: ${what}`,
      apply: (home: string) => inPlace(newestIndex(home), make),
    })),
    ...Object.entries(THINGS).map(([what, make]) => ({
      what: `data.mdb of the index: ${what}`,
      apply: (home: string) => inPlace(join(newestIndex(home), "data.mdb"), make),
    })),
    ...Object.entries(THINGS).map(([what, make]) => ({
      what: `lock.mdb of the index: ${what}`,
      apply: (home: string) => inPlace(join(newestIndex(home), "lock.mdb"), make),
    })),
    ...names.flatMap((name) => [
      { what: `${name} is a file`, apply: (home: string) => writeFileSync(join(home, name), "notes") },
      { what: `${name} is an empty folder`, apply: (home: string) => mkdirSync(join(home, name)) },
    ]),
    {
      what: "the index under a greater number",
      apply: (home) => renameSync(newestIndex(home), join(home, "index-50")),
    },
    {
      what: "other files in the index",
      apply: (home) => writeFileSync(join(newestIndex(home), "notes"), "notes"),
    },
    { what: "the index missing", apply: (home) => rmSync(newestIndex(home), { recursive: true }) },
  ];
}

function lockDamages(): ControlDamage[] {
  const lock = (home: string) => join(home, "lock");
  // What is not a folder can't be locked in: the store says so.
  const refusing = { mayRefuse: ["IO", "INVALID_ARGUMENT", "CORRUPTION"] };
  return [
    ...Object.entries(THINGS).map(([what, make]) => ({
      what: `lock: ${what}`,
      apply: (home: string) => inPlace(lock(home), make),
      ...refusing,
    })),
    ...Object.entries(THINGS).map(([what, make]) => ({
      what: `the lock environment: ${what}`,
      apply: (home: string) => inPlace(lockFolder(home), make),
      ...refusing,
    })),
    ...[
      "gate-1",
      "state",
      "gate-1/data.mdb",
      "gate-1/lock.mdb",
      "state/data.mdb",
      "state/lock.mdb",
      "gate-1.dead",
    ].flatMap((part) =>
      Object.entries(THINGS).map(([what, make]) => ({
        what: `${part} of the locks: ${what}`,
        apply: (home: string) => inPlace(partOfLocks(home, part), make),
        ...refusing,
      })),
    ),
    { what: "lock missing", apply: (home) => rmSync(lock(home), { recursive: true }) },
    {
      what: "the lock environment missing",
      apply: (home) => rmSync(lockFolder(home), { recursive: true, force: true }),
    },
    { what: "other files in lock", apply: (home) => strayFiles(lock(home)) },
  ];
}

/** The rows have a name that tells whose they are. */
function partOfLocks(home: string, part: string): string {
  const folder = lockFolder(home);
  const rows = existsSync(folder) && readdirSync(folder).find((name) => name.startsWith("state-"));
  return join(folder, part.replace(/^state(?=\/|$)/, rows || "state-1"));
}

function strayFiles(folder: string): void {
  for (const name of [
    "notes.txt",
    "data.mdb",
    "lock.mdb",
    ".hidden",
    "a-b-c-d",
    "config.json.0123456789ab.tmp",
  ])
    writeFileSync(join(folder, name), "notes");
  mkdirSync(join(folder, "sub"));
  symlinkSync("nowhere", join(folder, "link"));
}

function otherDamages(): ControlDamage[] {
  return [
    { what: "nothing", apply: () => {} },
    { what: "other files in the home", apply: strayFiles },
    {
      what: "the log is a link to a folder elsewhere",
      apply: (home) => {
        renameSync(join(home, "log"), `${home}-log`);
        symlinkSync(`${home}-log`, join(home, "log"));
      },
    },
    {
      what: "the log is a file",
      apply: (home) => inPlace(join(home, "log"), THINGS["a file"]!),
      mayRefuse: ["IO", "CORRUPTION", "INVALID_ARGUMENT", "NOT_FOUND"],
    },
    {
      what: "the log is empty",
      apply: (home) => inPlace(join(home, "log"), THINGS["a folder"]!),
      mayRefuse: ["CORRUPTION", "NOT_FOUND"],
    },
  ];
}

export function controlDamages(): ControlDamage[] {
  return [...configDamages(), ...markDamages(), ...indexDamages(), ...lockDamages(), ...otherDamages()];
}
