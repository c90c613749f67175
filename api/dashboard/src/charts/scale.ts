/** The arithmetic of the charts. */

import { rounded } from "../format.ts";

export type Scale = (value: number) => number;

/** Map values to 0…1; equal bounds map to the middle. */
export function linear(low: number, high: number): Scale {
  return (value) => (high === low ? 0.5 : (value - low) / (high - low));
}

/** Map logarithmically; the bounds must be positive. */
export function logarithmic(low: number, high: number): Scale {
  const scale = linear(Math.log(low), Math.log(high));
  return (value) => scale(Math.log(value));
}

export function extent(values: Iterable<number | null>): [number, number] | null {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low > high ? null : [low, high];
}

/** Put a value into one of `count` classes; 0 is the lowest. */
export function classOf(share: number, count: number): number {
  return Math.min(count - 1, Math.max(0, Math.floor(share * count)));
}

export interface Point {
  x: number;
  y: number;
}

/** As in the service: how much more reduction is worth a higher perplexity. */
const TOLERANCE = 0.005;

/** Return the Pareto front of reduction and perplexity. */
export function paretoFront<P extends Point>(points: P[]): P[] {
  const front: P[] = [];
  for (const point of [...points].sort((a, b) => a.y - b.y || b.x - a.x)) {
    if (point.x > (front.at(-1)?.x ?? Number.NEGATIVE_INFINITY) + TOLERANCE) front.push(point);
  }
  return front;
}

/** Return an SVG path through values, with gaps for missing ones. */
export function path(values: (number | null)[], x: Scale, y: Scale): string {
  let isDrawing = false;
  return values
    .map((value, at) => {
      if (value === null) {
        isDrawing = false;
        return "";
      }
      const command = isDrawing ? "L" : "M";
      isDrawing = true;
      return `${command}${rounded(x(at), 1)},${rounded(y(value), 1)}`;
    })
    .join("");
}
