/** Positions and texts of an axis' labels. */

import { count, decimal, figure, percent, rounded } from "../format.ts";
import type { Axis } from "./series.ts";

const MAX_DIGITS = 6;

/** Return about `count` round values within the bounds; of whole numbers, whole ones. */
export function ticks(low: number, high: number, count = 4, isWhole = false): number[] {
  if (high <= low) return [low];
  const rough = Math.max(isWhole ? 1 : 0, (high - low) / count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const steps = isWhole ? [1, 2, 5, 10] : [1, 2, 2.5, 5, 10];
  const step = (steps.find((one) => one * power >= rough) ?? 10) * power;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, at) => clean((first + at) * step));
}

/** Return those of the values within the bounds that are a share of their distance apart. */
export function apart(values: number[], low: number, high: number, share: number): number[] {
  const found: number[] = [];
  for (const value of values) {
    const last = found.at(-1) ?? Number.NEGATIVE_INFINITY;
    if (value >= low && value <= high && value - last >= share * (high - low)) found.push(value);
  }
  return found;
}

/** Return round values for a logarithmic axis; within one power of ten, those of a linear one. */
export function logTicks(low: number, high: number, count = 6): number[] {
  const powers = Array.from(
    { length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 },
    (_, at) => clean(10 ** (Math.floor(Math.log10(low)) + at)),
  );
  const inside = (value: number) => value >= low && value <= high;
  const full = powers.flatMap((power) => [1, 2, 5].map((one) => clean(one * power)));
  const found = full.filter(inside);
  if (found.length < 3) return ticks(low, high, count);
  return found.length > count ? powers.filter(inside) : found;
}

/** Return the labels, with as many digits as tell them apart. */
export function tickTexts(values: number[], unit: Axis["unit"]): string[] {
  if (unit === "percent") {
    const shares = values.map((value) => clean(value * 100));
    return fixed(shares, digitsOf(shares, 2)).map((text) => `${text} %`);
  }
  const largest = Math.max(...values.map(Math.abs));
  if (largest > 0 && largest < 0.001) return values.map(figure);
  return fixed(values, digitsOf(values, MAX_DIGITS));
}

/** Format one value of an axis. */
export function valueText(value: number, unit: Axis["unit"]): string {
  if (unit === "percent") return percent(value);
  return unit === "whole" ? count(value) : figure(value);
}

function fixed(values: number[], digits: number): string[] {
  return values.map((value) => decimal(value, digits));
}

/** Return the digits after the point that all of the values have. */
function digitsOf(values: number[], most: number): number {
  for (let digits = 0; digits < most; digits += 1) {
    const isExact = (value: number) =>
      Math.abs(rounded(value, digits) - value) <= 1e-9 * Math.max(1, Math.abs(value));
    if (values.every(isExact)) return digits;
  }
  return most;
}

function clean(value: number): number {
  return Number(value.toPrecision(12));
}
