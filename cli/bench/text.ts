/** Figures and tables for people. */

/** Three digits and a unit: `412 k`, `3.45 k`, `0.812`. */
export function rateText(perSecond: number): string {
  if (!Number.isFinite(perSecond)) return "–";
  if (perSecond >= 999_500) return `${digits(perSecond / 1_000_000)} M`;
  if (perSecond >= 999.5) return `${digits(perSecond / 1_000)} k`;
  return digits(perSecond);
}

/** `0.81 µs`, `350 µs`, `4.2 ms`. */
export function durationText(microseconds: number): string {
  if (!Number.isFinite(microseconds)) return "–";
  if (microseconds >= 999_500) return `${digits(microseconds / 1_000_000)} s`;
  if (microseconds >= 999.5) return `${digits(microseconds / 1_000)} ms`;
  return `${digits(microseconds)} µs`;
}

/** Two decimals at most, but never fewer than two digits that say something. */
export function digits(figure: number): string {
  if (figure > 0 && figure < 0.0995) return String(Number(figure.toPrecision(2)));
  const decimals = figure >= 99.95 ? 0 : figure >= 9.995 ? 1 : 2;
  return figure.toFixed(decimals);
}

/** Columns padded to their widest cell; the first to the left, the others to the right unless told otherwise. */
export function tableLines(
  rows: readonly (readonly string[])[],
  align: "left" | "right" = "right",
): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? 0, cell.length);
    });
  }
  const padded = (cell: string, at: number): string =>
    at === 0 || align === "left" ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!);
  return rows.map((row) => row.map(padded).join("  ").trimEnd());
}
