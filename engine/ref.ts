import { VarveError } from "./errors.ts";

/** Names, aliases and refs: how people point at artifacts. */

const NAME_BYTES_MAX = 512;
export const VERSION_MAX = 0xffff_fffe;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const FORBIDDEN_IN_NAMES = /[\u0000-\u001f\u007f-\u009f:@]/;
const ALIAS = /^[A-Za-z0-9._-]{1,128}$/;

/** A ref taken apart. */
export type ParsedRef = { name: string } & (
  | { kind: "latest"; explicit: boolean }
  | { kind: "version"; version: number }
  | { kind: "alias"; alias: string }
  | { kind: "all" }
);

/** @throws INVALID_ARGUMENT with the rule that is broken. */
export function checkName(name: unknown): asserts name is string {
  if (typeof name === "string" && isPlainName(name)) return;
  if (typeof name !== "string") throw badName(String(name), "must be a string");
  if (name.length === 0) throw badName(name, "must not be empty");
  if (!name.isWellFormed()) throw badName(name, "must be well-formed Unicode");
  if (Buffer.byteLength(name) > NAME_BYTES_MAX)
    throw badName(name, `must be at most ${NAME_BYTES_MAX} bytes of UTF-8`);
  if (FORBIDDEN_IN_NAMES.test(name)) throw badName(name, "must not hold `:`, `@` or control characters");
  for (const level of name.split("/")) {
    if (level === "" || level === "." || level === "..") {
      throw badName(name, "must not have an empty, `.` or `..` level between slashes");
    }
  }
}

const SLASH = 0x2f;
const DOT = 0x2e;

/** Whether it is a name of printable ASCII, as most are. Others are looked at one rule after another. */
function isPlainName(text: string): boolean {
  if (text.length > NAME_BYTES_MAX) return false;
  // Of the level; an empty one too.
  let isOnlyDots = true;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === SLASH) {
      if (isOnlyDots) return false;
      isOnlyDots = true;
    } else if (unit < 0x20 || unit > 0x7e || unit === 0x3a || unit === 0x40) return false;
    else if (unit !== DOT) isOnlyDots = false;
  }
  return !isOnlyDots;
}

/** @throws INVALID_ARGUMENT */
export function checkAlias(alias: unknown): asserts alias is string {
  const sound = typeof alias === "string" && ALIAS.test(alias) && alias !== "latest" && alias !== "all";
  if (sound && !/^\d+$/.test(alias)) return;
  throw new VarveError("INVALID_ARGUMENT", `not an alias: ${JSON.stringify(alias)}`, {
    hint: "an alias has 1 to 128 letters, digits, `.`, `_` or `-`, is not digits only, and neither `latest` nor `all`",
  });
}

/** @throws INVALID_ARGUMENT */
export function checkVersion(version: unknown): asserts version is number {
  if (Number.isInteger(version) && (version as number) >= 0 && (version as number) <= VERSION_MAX) return;
  throw new VarveError("INVALID_ARGUMENT", `not a version: ${String(version)}`, {
    hint: "a version is 0, 1, 2 ...",
  });
}

/** Takes a ref apart; an artifact stands for its own version. */
export function parseRef(ref: unknown): ParsedRef {
  if (typeof ref === "string") return parseText(ref);
  const artifact = ref as { name?: unknown; version?: unknown } | null;
  if (typeof artifact !== "object" || artifact === null) throw badRef(String(ref));
  checkName(artifact.name);
  checkVersion(artifact.version);
  return { name: artifact.name, kind: "version", version: artifact.version };
}

/** A ref that says which versions it means: a bare name could stand for the latest or for all. */
export function parseRefToDelete(ref: unknown): ParsedRef {
  const parsed = parseRef(ref);
  if (parsed.kind !== "latest" || parsed.explicit) return parsed;
  throw new VarveError("INVALID_ARGUMENT", `${parsed.name} does not say which version to delete`, {
    hint: `say ${parsed.name}:3 (a version), ${parsed.name}:latest, ${parsed.name}@alias, or ${parsed.name}:all`,
  });
}

function parseText(text: string): ParsedRef {
  if (isPlainName(text)) return { name: text, kind: "latest", explicit: false };
  const at = text.search(/[:@]/);
  if (at < 0) {
    checkName(text);
    return { name: text, kind: "latest", explicit: false };
  }
  const name = text.slice(0, at);
  const rest = text.slice(at + 1);
  checkName(name);
  if (text[at] === "@") {
    checkAlias(rest);
    return { name, kind: "alias", alias: rest };
  }
  if (rest === "latest") return { name, kind: "latest", explicit: true };
  if (rest === "all") return { name, kind: "all" };
  if (!/^(0|[1-9]\d{0,9})$/.test(rest)) throw badRef(text);
  const version = Number(rest);
  checkVersion(version);
  return { name, kind: "version", version };
}

/** Of one version, as people write it. */
export function refOf({ name, version }: { name: string; version: number }): string {
  return `${name}:${version}`;
}

/** The ref as a person would write it. */
export function refText(ref: ParsedRef): string {
  switch (ref.kind) {
    case "latest":
      return ref.explicit ? `${ref.name}:latest` : ref.name;
    case "version":
      return `${ref.name}:${ref.version}`;
    case "alias":
      return `${ref.name}@${ref.alias}`;
    case "all":
      return `${ref.name}:all`;
  }
}

function badName(name: string, rule: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", `not a name: ${JSON.stringify(name.slice(0, 600))} ${rule}`, {
    hint: "a name is 1 to 512 bytes of UTF-8, such as `iris/model`; `/` separates levels",
  });
}

function badRef(text: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", `not a ref: ${JSON.stringify(text)}`, {
    hint: "a ref is `name`, `name:3`, `name:latest` or `name@alias`, or an artifact",
  });
}
