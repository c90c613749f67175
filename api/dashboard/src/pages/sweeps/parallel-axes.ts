/** The axes of parallel coordinates: one for each varied field, and the perplexity. */

import type { Point } from "../../api/sweeps.ts";
import { extent, linear, logarithmic } from "../../charts/scale.ts";
import { figure } from "../../format.ts";
import { fieldText, variedFields } from "./points.ts";

export interface ParallelAxis {
  name: string;
  /** The values, from 0 at the bottom to 1 at the top. */
  values: { text: string; at: number }[];
  /** Whether its values can be chosen. */
  isChoice: boolean;
  placeOf: (point: Point) => number | null;
}

export function axesOf(points: Point[]): ParallelAxis[] {
  return [...variedFields(points).map((name) => fieldAxis(points, name)), perplexityAxis(points)];
}

function fieldAxis(points: Point[], name: string): ParallelAxis {
  const texts = [...new Set(points.map((one) => fieldText(one, name)))];
  const scale = linear(0, texts.length - 1);
  const values = texts.map((text, index) => ({ text, at: scale(index) }));
  const places = new Map(values.map(({ text, at }) => [text, at]));
  const placeOf = (point: Point) => places.get(fieldText(point, name)) ?? null;
  return { name, values, isChoice: true, placeOf };
}

function perplexityAxis(points: Point[]): ParallelAxis {
  const bounds = extent(points.map(({ perplexity }) => perplexity));
  const [low, high] = bounds ?? [1, 1];
  const scale = low > 0 ? logarithmic(low, high) : linear(low, high);
  const ends = low === high ? [low] : [low, high];
  const values = bounds === null ? [] : ends.map((one) => ({ text: figure(one), at: scale(one) }));
  const placeOf = ({ perplexity }: Point) => (perplexity === null ? null : scale(perplexity));
  return { name: "perplexity", values, isChoice: false, placeOf };
}
