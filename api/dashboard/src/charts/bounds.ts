/** The bounds of a chart's axes. */

import type { Drawing, Rows } from "./series.ts";

export type Bounds = [number, number];

const ROOM = 0.06;

/** Return the bounds of all rows, with room for what is drawn around a point. */
export function across({ series, rules }: Drawing, { xs }: Rows): Bounds {
  const ruled = rules.filter(({ axis }) => axis === "x").map(({ at }) => at);
  const [low, high] = [Math.min(xs[0] ?? 0, ...ruled), Math.max(xs.at(-1) ?? 1, ...ruled)];
  if (series.some(({ kind }) => kind === "bars")) return [low - 0.6, high + 0.6];
  if (low === high) return spread(low);
  if (series.every(({ kind }) => kind === "line")) return [low, high];
  const by = (high - low) * ROOM;
  return [low - by, high + by];
}

/** Return the bounds of an axis for values from `low` to `high`. */
export function upwards(drawing: Drawing, low: number, high: number): Bounds {
  const rules = drawing.rules.filter(({ axis }) => axis === "y").map(({ at }) => at);
  const [least, most] = [Math.min(low, ...rules), Math.max(high, ...rules)];
  if (drawing.isLog) {
    const by = least === most ? 1.2 : (most / least) ** ROOM;
    return [least / by, most * by];
  }
  if (drawing.series.some(({ kind }) => kind === "bars")) {
    const ground = Math.min(0, least);
    return [ground, most + ((most - ground) * ROOM || 1)];
  }
  if (least === most) return spread(least);
  const by = (most - least) * ROOM;
  // What cannot be negative does not look as if it could be.
  return [least >= 0 ? Math.max(0, least - by) : least - by, most + by];
}

/** Return bounds around a single value. */
function spread(value: number): Bounds {
  const by = Math.abs(value) * 0.05 || 1;
  return [value - by, value + by];
}

type Content = Pick<Drawing, "series" | "rules">;

/** Whether a logarithmic axis can show all values. */
export function canBeLog(content: Content): boolean {
  const values = valuesOf(content);
  return values.length > 0 && values.every((value) => value > 0);
}

const WIDE = 10;

/** Whether dots are so far apart that a linear axis would show the low ones as one line. */
export function isWide(content: Content): boolean {
  const values = valuesOf(content);
  const hasDots = content.series.some(({ kind }) => kind === "dots");
  return hasDots && Math.max(...values) >= WIDE * Math.min(...values);
}

function valuesOf({ series, rules }: Content): number[] {
  const across = rules.filter(({ axis }) => axis === "y").map(({ at }) => at);
  return [...series.flatMap(({ dots }) => dots.map(({ y }) => y)), ...across];
}
