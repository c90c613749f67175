/** The points of a sweep: their names, their groups and what charts show of them. */

import { perplexityInterval } from "../../api/intervals.ts";
import type { Point, Sweep } from "../../api/sweeps.ts";
import type { Rule } from "../../charts/series.ts";
import type { Tradeoff } from "../../charts/tradeoff.tsx";
import { figure, NONE, percent } from "../../format.ts";
import { inWords } from "../../spec/words.ts";

/** Fields that are a place in a chart rather than a group of points. */
const PLACES = ["sparsity", "ratio", "pattern"];

/** Return the fields in which the points differ. */
export function variedFields(points: Point[]): string[] {
  const names = [...new Set(points.flatMap(({ varied }) => Object.keys(varied)))];
  return names.filter((name) => new Set(points.map((one) => fieldText(one, name))).size > 1);
}

/** Return the text of a varied field's value. */
export function fieldText({ varied }: Point, name: string): string {
  return valueInWords(name, varied[name]);
}

/** Name a point by the value of a field. */
export function valueInWords(name: string, value: unknown): string {
  return inWords(name, value) || `no ${name}`;
}

/** Return the status of a point; a queued one that waits for a retry is postponed. */
export function statusOf({ status, job }: Point): string {
  return status === "queued" && job?.postponed ? "postponed" : status;
}

/** Return the number of points of each status. */
export function countsOf(points: Point[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const status of points.map(statusOf)) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** Return the interval of 95 % of a perplexity or its ratio to the dense one: " (46.1 to 48.2)". */
export function intervalOf({ job }: Point, name: string): string {
  const ends = perplexityInterval(job?.result ?? null, name);
  return ends === null ? "" : ` (${ends})`;
}

export function nameOf(point: Point): string {
  const names = Object.keys(point.varied);
  return names.map((name) => fieldText(point, name)).join(", ") || NONE;
}

/** Return a function that returns the group of a point; each group has its own colour. */
export function groupsOf(points: Point[]): (point: Point) => { series: string; style: number } {
  const names = variedFields(points).filter((name) => !PLACES.includes(name));
  const field = names.includes("method") ? "method" : names[0];
  if (field === undefined) return () => ({ series: "Points", style: 0 });
  const values = [...new Set(points.map((one) => fieldText(one, field)))];
  return (point) => {
    const series = fieldText(point, field);
    return { series, style: values.indexOf(series) };
  };
}

export function tradeoffsOf(points: Point[]): Tradeoff[] {
  const groupOf = groupsOf(points);
  return points.flatMap((one) => {
    const { reduction: x, perplexity: y, job_id } = one;
    if (x === null || y === null) return [];
    return [{ x, y, name: nameOf(one), href: `/jobs/${job_id}`, ...groupOf(one) }];
  });
}

/** Return the lines of the dense model and of the gate's bounds. */
export function rulesOf({ dense, gate, points }: Pick<Sweep, "dense" | "gate" | "points">): Rule[] {
  const { perplexity } = dense;
  const rules: Rule[] = [];
  if (perplexity !== null)
    rules.push({ name: `dense ${figure(perplexity)}`, at: perplexity, axis: "y" });
  const { perplexity_ratio: ratio, pruned_perplexity: most } = gate?.max ?? {};
  if (ratio !== undefined && perplexity !== null)
    rules.push({ name: `gate × ${ratio}`, at: ratio * perplexity, axis: "y" });
  if (most !== undefined) rules.push({ name: `gate ${most}`, at: most, axis: "y" });
  for (const name of ["reduction", "sparsity"] as const) {
    const least = gate?.min?.[name];
    const isAxis = points.every((one) => one.reduction === one[name]);
    if (least !== undefined && isAxis)
      rules.push({ name: `gate: ${name} ${percent(least, 2)}`, at: least, axis: "x" });
  }
  return rules;
}
