/** How the demo talks: headings, paragraphs and small tables on stdout. */

let step = 0;

export function heading(text: string): void {
  step++;
  console.log(`\n${step}. ${text}`);
}

export function line(text: string): void {
  console.log(text === "" ? "" : `   ${text}`);
}

/** Columns as wide as their widest cell. */
export function table(rows: string[][]): void {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  for (const row of rows)
    line(
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join("  ")
        .trimEnd(),
    );
}

export function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}

export function bytes(count: number): string {
  return `${count.toLocaleString("en")} bytes`;
}
