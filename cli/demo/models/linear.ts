import type { Penguin } from "../penguins.ts";

/** One score for each species, linear in the measures; the highest wins. Plain data, so that it can be saved. */
export interface LinearModel {
  species: string[];
  /** For each species one weight for each measure. */
  weights: Float64Array[];
  bias: Float64Array;
}

export function scores(model: LinearModel, measures: number[]): number[] {
  return model.weights.map((weights, k) =>
    measures.reduce((sum, measure, i) => sum + weights[i]! * measure, model.bias[k]!),
  );
}

export function predict(model: LinearModel, measures: number[]): string {
  const all = scores(model, measures);
  return model.species[all.indexOf(Math.max(...all))]!;
}

/** The part of the penguins whose species is told rightly. */
export function accuracy(model: LinearModel, penguins: Penguin[]): number {
  const right = penguins.filter(({ species, measures }) => predict(model, measures) === species);
  return right.length / penguins.length;
}

export function speciesOf(penguins: Penguin[]): string[] {
  return [...new Set(penguins.map(({ species }) => species))].sort();
}

/** The mean of each measure. */
export function means(penguins: Penguin[]): number[] {
  return penguins[0]!.measures.map(
    (_, i) => penguins.reduce((sum, { measures }) => sum + measures[i]!, 0) / penguins.length,
  );
}

/** The standard deviation of each measure. */
export function deviations(penguins: Penguin[]): number[] {
  return means(penguins).map((mean, i) =>
    Math.sqrt(penguins.reduce((sum, { measures }) => sum + (measures[i]! - mean) ** 2, 0) / penguins.length),
  );
}
