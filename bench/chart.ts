/** Lines over the size of a store, as SVG: legible on a light page and on a dark one, in colour and without. */

export interface Point {
  at: number;
  y: number;
  /** The spread, where there is one. */
  min?: number;
  max?: number;
}

export interface Series {
  name: string;
  points: readonly Point[];
}

export interface Chart {
  title: string;
  subtitle: string;
  /** What the height says. */
  unit: string;
  /** On the axis, which is logarithmic. */
  sizes: readonly number[];
  series: readonly Series[];
}

const WIDTH = 640;
const HEIGHT = 360;
const PLOT = { left: 64, right: 620, top: 102, bottom: 312 };
const TICKS = 5;
/** Where figures lie further apart, the height is logarithmic too. */
const LINEAR_MAX = 30;
/** On white and on nearly black, each with its own dashes for who sees no colours. */
const COLOURS = [
  { light: "#0b5cad", dark: "#6cb2ff", dash: "none" },
  { light: "#b3450e", dark: "#ffa366", dash: "7 4" },
  { light: "#1d7a3a", dark: "#6fd48d", dash: "2 4" },
  { light: "#7b3fa8", dark: "#cf9bf5", dash: "10 4 2 4" },
] as const;

export function chartSvg(chart: Chart): string {
  const y = heightScale(chart);
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escaped(chart.title)}">`,
    styleOf(chart.series.length),
    `<rect class="page" width="${WIDTH}" height="${HEIGHT}" rx="6"/>`,
    text(16, 26, chart.title, "title"),
    text(16, 45, chart.subtitle, "small"),
    ...legend(chart.series),
    ...y.ticks.flatMap((tick) => [
      `<line class="grid" x1="${PLOT.left}" x2="${PLOT.right}" y1="${round(y.of(tick))}" y2="${round(y.of(tick))}"/>`,
      text(PLOT.left - 8, y.of(tick) + 4, tickText(tick), "small end"),
    ]),
    ...chart.sizes.map((size) => text(xOf(chart, size), PLOT.bottom + 20, sizeText(size), "small middle")),
    text((PLOT.left + PLOT.right) / 2, HEIGHT - 10, "artifacts in the store", "small middle"),
    text(PLOT.left - 48, PLOT.top - 10, chart.unit, "small"),
    ...chart.series.flatMap((series, at) => seriesLines(chart, series, at, y)),
    "</svg>",
  ];
  return `${lines.join("\n")}\n`;
}

function styleOf(count: number): string {
  const colours = (theme: "light" | "dark") =>
    COLOURS.slice(0, count)
      .map((colour, at) => `.s${at}{stroke:${colour[theme]};fill:${colour[theme]}}`)
      .join("");
  return [
    "<style>",
    "text{font:13px system-ui,sans-serif;fill:#1f2328;stroke:none}.title{font-size:16px;font-weight:600}.small{font-size:12px}",
    ".middle{text-anchor:middle}.end{text-anchor:end}.page{fill:#fff}.grid{stroke:#d0d7de}",
    `polyline{stroke-width:2.2}polyline.line{fill:none}.spread{stroke-width:1.4;opacity:.7}${colours("light")}`,
    "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.page{fill:#0d1117}.grid{stroke:#30363d}",
    `${colours("dark")}}`,
    "</style>",
  ].join("\n");
}

function legend(series: readonly Series[]): string[] {
  let x = 16;
  return series.flatMap(({ name }, at) => {
    const from = x;
    x += 44 + name.length * 7.2;
    return [
      `<polyline class="line s${at}" style="fill:none" stroke-dasharray="${COLOURS[at]!.dash}" points="${from},62 ${from + 26},62"/>`,
      text(from + 32, 66, name, "small"),
    ];
  });
}

function seriesLines(chart: Chart, { points }: Series, at: number, y: HeightScale): string[] {
  const places = points.map((point) => ({ ...point, x: xOf(chart, point.at) }));
  const path = places.map(({ x, y: height }) => `${round(x)},${round(y.of(height))}`).join(" ");
  return [
    `<polyline class="line s${at}" style="fill:none" stroke-dasharray="${COLOURS[at]!.dash}" points="${path}"/>`,
    ...places.flatMap(({ x, y: height, min, max }) => [
      ...(min === undefined || max === undefined
        ? []
        : [
            `<line class="spread s${at}" x1="${round(x)}" x2="${round(x)}" y1="${round(y.of(min))}" y2="${round(y.of(max))}"/>`,
          ]),
      `<circle class="s${at}" cx="${round(x)}" cy="${round(y.of(height))}" r="3.2"/>`,
    ]),
  ];
}

function xOf({ sizes }: Chart, size: number): number {
  const [first, last] = [Math.log(sizes[0]!), Math.log(sizes.at(-1)!)];
  const share = last === first ? 0.5 : (Math.log(size) - first) / (last - first);
  return PLOT.left + 24 + share * (PLOT.right - PLOT.left - 48);
}

interface HeightScale {
  ticks: number[];
  of(figure: number): number;
}

function heightScale({ series }: Chart): HeightScale {
  const figures = series.flatMap(({ points }) => points.flatMap(({ y, min = y, max = y }) => [y, min, max]));
  const [least, most] = [Math.min(...figures), Math.max(...figures)];
  const place = (share: number) => PLOT.bottom - share * (PLOT.bottom - PLOT.top);
  if (most / least > LINEAR_MAX) {
    const [from, to] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
    const ticks = Array.from({ length: to - from + 1 }, (_, at) => 10 ** (from + at));
    return { ticks, of: (figure) => place((Math.log10(figure) - from) / (to - from)) };
  }
  const step = stepOf(most / TICKS);
  const top = Math.ceil(most / step) * step;
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, at) => at * step);
  return { ticks, of: (figure) => place(figure / top) };
}

/** The next of 1, 2, 5, 10 and so on. */
function stepOf(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= least)!;
}

function tickText(tick: number): string {
  return Number(tick.toPrecision(3)).toLocaleString("en");
}

function sizeText(size: number): string {
  if (size >= 1_000_000) return `${size / 1_000_000} million`;
  return size >= 1_000 ? `${size / 1_000} thousand` : String(size);
}

function text(x: number, y: number, words: string, kind: string): string {
  return `<text class="${kind}" x="${round(x)}" y="${round(y)}">${escaped(words)}</text>`;
}

function round(figure: number): number {
  return Math.round(figure * 10) / 10;
}

function escaped(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
