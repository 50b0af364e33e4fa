/** The table of the benchmark of metadata databases. */

import { spreadOf } from "../../cli/bench/statistics.ts";
import { digits, durationText, rateText, tableLines } from "../../cli/bench/text.ts";
import type { MetadataFigures } from "./figures.ts";
import type { MetadataRow } from "./metadata.ts";

/** Of the speed of the driver alone. */
const SHARE_MIN = 0.8;
const MIB = 1024 * 1024;
/** Above what was before, of a list of any length. */
const LIST_KEPT_MAX = 16 * MIB;

const rateOf = ({ count, seconds }: MetadataFigures) => count / seconds;

function ratioLine(what: string, own: readonly number[], driver: readonly number[], aim?: number): string[] {
  const { median, min, max } = spreadOf(own.map((rate, i) => rate / driver[i]!));
  return [
    what,
    `${rateText(spreadOf(own).median)}/s`,
    `${rateText(spreadOf(driver).median)}/s`,
    aim === undefined ? "" : String(aim),
    `${digits(median)} (${digits(min)}–${digits(max)})`,
    aim === undefined ? "" : median >= aim ? "met" : "missed",
  ];
}

export function metadataLines(rows: readonly MetadataRow[]): string[] {
  return rows.flatMap((row) => [`${row.kind}, ${row.names} names:`, ...tableLines(cellsOf(row)), ""]);
}

function cellsOf({ bulk, get, list }: MetadataRow): string[][] {
  const { units, unitsCopied, saves, savesCopied } = bulk;
  const perTransaction = (copied: readonly MetadataFigures[]) =>
    `${Math.round(copied[0]!.count / copied[0]!.transactions!)} a transaction`;
  return [
    ["", "varve", "driver", "aim", "ratio (min–max)", ""],
    ratioLine(
      `commits of units, 1,000 in flight, ${perTransaction(unitsCopied)}, against multi-row inserts`,
      units.map(rateOf),
      unitsCopied.map(rateOf),
      SHARE_MIN,
    ),
    ratioLine(
      `saves with values in the log, 1,000 in flight, ${perTransaction(savesCopied)}, against the inserts alone`,
      saves.map(rateOf),
      savesCopied.map(rateOf),
    ),
    ...get.reads!.flatMap(({ atOnce, find, get: got, select }) => [
      ratioLine(`get, ${atOnce} at once, against one prepared select`, got, select, SHARE_MIN),
      ratioLine(`  find of the port alone`, find, select),
    ]),
    [
      `list of ${list.count} names: ${durationText(list.seconds * 1_000_000)}, memory kept above idle`,
      `${rateText(rateOf(list))}/s`,
      "",
      `< ${LIST_KEPT_MAX / MIB} MiB`,
      `${digits(list.kept! / MIB)} MiB`,
      list.kept! < LIST_KEPT_MAX ? "met" : "missed",
    ],
    [
      "  the most resident, with garbage that is not collected yet",
      "",
      "",
      "",
      `${Math.round(list.memory! / MIB)} MiB`,
      "",
    ],
  ];
}
