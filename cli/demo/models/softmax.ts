import type { Penguin } from "../penguins.ts";
import type { LinearModel } from "./linear.ts";
import { deviations, means, scores, speciesOf } from "./linear.ts";

/** Softmax regression on standardized measures, by gradient descent from zero: the same result every time. */
export function fitSoftmax(penguins: Penguin[], steps = 500, rate = 0.5): LinearModel {
  const mean = means(penguins);
  const scale = deviations(penguins);
  const standardized = penguins.map(({ species, measures }) => ({
    species,
    measures: measures.map((measure, i) => (measure - mean[i]!) / scale[i]!),
  }));
  const species = speciesOf(penguins);
  const model: LinearModel = {
    species,
    weights: species.map(() => new Float64Array(mean.length)),
    bias: new Float64Array(species.length),
  };
  for (let step = 0; step < steps; step++) descend(model, standardized, rate / penguins.length);
  return inOriginalUnits(model, mean, scale);
}

/** One step of gradient descent. */
function descend(model: LinearModel, penguins: Penguin[], rate: number): void {
  const errors = penguins.map(({ species, measures }) =>
    probabilities(model, measures).map((p, k) => p - (model.species[k] === species ? 1 : 0)),
  );
  penguins.forEach(({ measures }, n) => {
    errors[n]!.forEach((error, k) => {
      model.bias[k]! -= rate * error;
      measures.forEach((measure, i) => {
        model.weights[k]![i]! -= rate * error * measure;
      });
    });
  });
}

function probabilities(model: LinearModel, measures: number[]): number[] {
  const all = scores(model, measures);
  const highest = Math.max(...all);
  const powers = all.map((score) => Math.exp(score - highest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

/** The same scores, from millimetres and grams. */
function inOriginalUnits(
  { species, weights, bias }: LinearModel,
  mean: number[],
  scale: number[],
): LinearModel {
  const scaled = weights.map((row) => row.map((weight, i) => weight / scale[i]!));
  const shifted = bias.map((b, k) => b - scaled[k]!.reduce((sum, weight, i) => sum + weight * mean[i]!, 0));
  return { species, weights: scaled, bias: shifted };
}
