/** What is measured, varve first. A new one is a file in `subjects/` and a line here. */

import type { Subject } from "./subject.ts";
import { cacache } from "./subjects/cacache.ts";
import { classicLevel } from "./subjects/classic-level.ts";
import { engine } from "./subjects/engine.ts";
import { files } from "./subjects/files.ts";
import { keyv } from "./subjects/keyv.ts";
import { libsql } from "./subjects/libsql.ts";
import { lmdb } from "./subjects/lmdb.ts";
import { varve } from "./subjects/varve.ts";

export const subjects: readonly Subject[] = [varve, engine, lmdb, classicLevel, libsql, keyv, cacache, files];
