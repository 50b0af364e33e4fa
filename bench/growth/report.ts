/** Growth as a table, and as charts. */

import { durationText, rateText, tableLines } from "../../cli/bench/text.ts";
import { type Chart, chartSvg, type Point, type Series } from "../chart.ts";
import type { Growth, Path, StoreGrowth } from "./figures.ts";

const MIB = 2 ** 20;

export function growthLines(rows: readonly Growth[]): string[] {
  const head = [
    ...["artifacts", "store", "load", "save", "open", "rebuild, sorted", "in log order"],
    ...["memory: load", "save", "sorted", "log order", "index/artifact", "log beyond value"],
  ];
  const processorHead = ["processor time of one", "store", "load", "save", "artifact of a sorted index"];
  return [
    "As a store grows:",
    ...tableLines([head, ...rows.flatMap(cellsOf)]),
    "",
    ...tableLines([processorHead, ...rows.flatMap(processorCellsOf)]),
  ];
}

function processorCellsOf({ artifacts, stores }: Growth): string[][] {
  return stores.map(({ subject, paths }) => {
    const time = (path: Path) => durationText(paths[path]?.processor ?? Number.NaN);
    return [`  ${artifacts}`, subject, time("load"), time("save"), time("rebuild")];
  });
}

function cellsOf({ artifacts, stores }: Growth): string[][] {
  return stores.map(({ subject, paths, sizes }) => {
    const rate = (path: Path) => (paths[path] ? `${rateText(paths[path].perSecond.median)}/s` : "–");
    const memory = (path: Path) => (paths[path] ? `${Math.round(paths[path].resident / MIB)} MiB` : "–");
    const bytes = (size: number | undefined) =>
      size === undefined ? "–" : `${Math.round(size / artifacts)} B`;
    return [
      ...[String(artifacts), subject, rate("load"), rate("save")],
      paths.open ? durationText(1_000_000 / paths.open.perSecond.median) : "–",
      ...[rate("rebuild"), rate("replay")],
      ...(["load", "save", "rebuild", "replay"] as const).map(memory),
      ...[bytes(sizes?.index), bytes(sizes && sizes.log - sizes.values)],
    ];
  });
}

/** By the name of the file. */
export function growthCharts(rows: readonly Growth[], subtitle: string): Record<string, string> {
  const sizes = rows.map(({ artifacts }) => artifacts);
  const chart = (title: string, unit: string, series: readonly Series[]): string => {
    const whole: Chart = {
      title,
      subtitle,
      unit,
      sizes,
      series: series.filter(({ points }) => points.length > 0),
    };
    return chartSvg(whole);
  };
  const names = rows[0]?.stores.map(({ subject }) => subject) ?? [];
  const ofAll = (path: Path, pointOf: PointOf) =>
    names.map((name) => seriesOf(rows, name, name, (store) => pointOf(store, path)));
  const ofVarve = (
    name: string,
    point: (store: StoreGrowth, artifacts: number) => Omit<Point, "at"> | undefined,
  ) => seriesOf(rows, "varve", name, point);
  return {
    "load.svg": chart("Random load, decoded", "thousand per second", ofAll("load", thousands)),
    "save.svg": chart("Durable save, 1,000 in flight", "thousand per second", ofAll("save", thousands)),
    "open.svg": chart("Open, and the first value", "milliseconds", ofAll("open", milliseconds)),
    "index.svg": chart("The index made again", "thousand artifacts per second", [
      ofVarve("from sorted rows", (store) => thousands(store, "rebuild")),
      ofVarve("in the order of the log", (store) => thousands(store, "replay")),
    ]),
    "memory.svg": chart("Resident memory at most, maps of files included", "MiB", [
      ofVarve("load", (store) => memoryOf(store, "load")),
      ofVarve("save", (store) => memoryOf(store, "save")),
      ofVarve("index from sorted rows", (store) => memoryOf(store, "rebuild")),
      ofVarve("index in log order", (store) => memoryOf(store, "replay")),
    ]),
    "bytes.svg": chart("Bytes beside the values, as saved", "bytes an artifact", [
      ofVarve("index", ({ sizes: taken }, artifacts) => taken && { y: taken.index / artifacts }),
      ofVarve("log", ({ sizes: taken }, artifacts) => taken && { y: (taken.log - taken.values) / artifacts }),
    ]),
  };
}

type PointOf = (store: StoreGrowth, path: Path) => Omit<Point, "at"> | undefined;

function seriesOf(
  rows: readonly Growth[],
  subject: string,
  name: string,
  pointOf: (store: StoreGrowth, artifacts: number) => Omit<Point, "at"> | undefined,
): Series {
  const points = rows.flatMap(({ artifacts, stores }) => {
    const store = stores.find((each) => each.subject === subject);
    const point = store && pointOf(store, artifacts);
    return point ? [{ at: artifacts, ...point }] : [];
  });
  return { name, points };
}

const thousands: PointOf = ({ paths }, path) => {
  const figures = paths[path]?.perSecond;
  return figures && { y: figures.median / 1_000, min: figures.min / 1_000, max: figures.max / 1_000 };
};

const milliseconds: PointOf = ({ paths }, path) => {
  const figures = paths[path]?.perSecond;
  return figures && { y: 1_000 / figures.median, min: 1_000 / figures.max, max: 1_000 / figures.min };
};

const memoryOf: PointOf = ({ paths }, path) => paths[path] && { y: paths[path].resident / MIB };
