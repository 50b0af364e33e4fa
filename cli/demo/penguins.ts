/** The data: measurements of 344 penguins. Collected by Dr. Kristen Gorman and Palmer Station LTER, published as CC0 1.0. */

import { fileURLToPath } from "node:url";

/** A row of the file as it is. */
export interface RawPenguin {
  Species: string;
  Island: string;
  "Beak Length (mm)": number | null;
  "Beak Depth (mm)": number | null;
  "Flipper Length (mm)": number | null;
  "Body Mass (g)": number | null;
  Sex: string | null;
}

export interface Penguin {
  species: string;
  /** Beak length, beak depth and flipper length in millimetres, body mass in grams. */
  measures: number[];
}

export const rawFile = fileURLToPath(new URL("../data/penguins.json", import.meta.resolve("vega-datasets")));

export const source = {
  title: "Palmer Archipelago penguins",
  collectedBy: "Dr. Kristen Gorman and Palmer Station Antarctica LTER",
  via: "vega-datasets",
  licence: "CC0-1.0",
};

/** Penguins that were measured completely, in the order of the file. */
export function cleanPenguins(rows: RawPenguin[]): Penguin[] {
  return rows.flatMap((row) => {
    const { "Beak Length (mm)": length, "Beak Depth (mm)": depth } = row;
    const { "Flipper Length (mm)": flipper, "Body Mass (g)": mass } = row;
    if (length === null || depth === null || flipper === null || mass === null) return [];
    return [{ species: row.Species, measures: [length, depth, flipper, mass] }];
  });
}

/** Every third penguin is for testing; the file is sorted by species, so each species is in both parts. */
export function splitPenguins(penguins: Penguin[]): { training: Penguin[]; testing: Penguin[] } {
  return {
    training: penguins.filter((_, i) => i % 3 !== 0),
    testing: penguins.filter((_, i) => i % 3 === 0),
  };
}
