import { join } from "node:path";

/**
 * A segment is named by its number and its generation: 0 as it was written, higher where it was rewritten. In the code
 * the two are one number, the id, that sorts as the log does: 32 bits for the number, and 20 below the point for the
 * generation, which a double holds exactly. The id of a segment that was never rewritten is its number.
 */
const GENERATIONS = 2 ** 20;

export const GENERATION_MAX = GENERATIONS - 1;

export function segmentId(number: number, generation: number): number {
  return number + generation / GENERATIONS;
}

/** For a segment that was rewritten, the first of the numbers that it stands for. */
export function segmentNumber(id: number): number {
  return Math.floor(id);
}

export function segmentGeneration(id: number): number {
  return (id - Math.floor(id)) * GENERATIONS;
}

/** For messages. */
export function segmentText(id: number): string {
  const generation = segmentGeneration(id);
  return generation === 0 ? `segment ${id}` : `segment ${segmentNumber(id)} of generation ${generation}`;
}

export function segmentFileName(id: number): string {
  const number = String(segmentNumber(id)).padStart(10, "0");
  const generation = segmentGeneration(id);
  return generation === 0 ? `${number}.varve` : `${number}-${String(generation).padStart(6, "0")}.varve`;
}

export function segmentPath(folder: string, id: number): string {
  return join(folder, segmentFileName(id));
}

const SEGMENT_NAME = /^(\d{10})(?:-(\d{6,7}))?\.varve$/;

/** Undefined for a name that is no segment's: such files are somebody else's and left alone. */
export function segmentOfName(name: string): number | undefined {
  const match = SEGMENT_NAME.exec(name);
  if (!match) return undefined;
  const number = Number(match[1]);
  if (match[2] === undefined) return number;
  const id = segmentId(number, Number(match[2]));
  // Not a name that another one stands for too.
  return segmentFileName(id) === name ? id : undefined;
}
