import type { Penguin } from "../penguins.ts";
import type { LinearModel } from "./linear.ts";
import { deviations, means, speciesOf } from "./linear.ts";

/** The species whose mean is nearest, in standard deviations: all measures count alike. */
export function fitNearestScaledMean(penguins: Penguin[]): LinearModel {
  const species = speciesOf(penguins);
  const scale = deviations(penguins);
  const centres = species.map((name) => means(penguins.filter((penguin) => penguin.species === name)));
  return {
    species,
    weights: centres.map((centre) => Float64Array.from(centre, (c, i) => c / scale[i]! ** 2)),
    bias: Float64Array.from(
      centres,
      (centre) => -centre.reduce((sum, c, i) => sum + (c / scale[i]!) ** 2, 0) / 2,
    ),
  };
}
