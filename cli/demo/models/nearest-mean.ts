import type { Penguin } from "../penguins.ts";
import type { LinearModel } from "./linear.ts";
import { means, speciesOf } from "./linear.ts";

/** The species whose mean is nearest. Body mass, in grams, drowns the other measures. */
export function fitNearestMean(penguins: Penguin[]): LinearModel {
  const species = speciesOf(penguins);
  const centres = species.map((name) => means(penguins.filter((penguin) => penguin.species === name)));
  // |x - c|² is smallest where x·c - |c|²/2 is largest.
  return {
    species,
    weights: centres.map((centre) => Float64Array.from(centre)),
    bias: Float64Array.from(centres, (centre) => -centre.reduce((sum, c) => sum + c * c, 0) / 2),
  };
}
