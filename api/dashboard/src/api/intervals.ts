/** The intervals of 95 % of a job's perplexities and ratios, and of how two jobs differ in them. */

import { figure } from "../format.ts";
import type { Job } from "./client.ts";
import { number } from "./jobs.ts";
import { halfWidth, members } from "./tasks.ts";

type Ends = [low: number, high: number];

/** Return an interval as text, "33.1 to 35.3"; `null` if the job has none for the metric. */
export function perplexityInterval(result: Job["result"], name: string): string | null {
  const ends = endsOf(result, name);
  return ends && `${figure(ends[0])} to ${figure(ends[1])}`;
}

/** Return the ends of a perplexity's interval, or with `speed.` of a ratio of the benchmark. */
export function endsOf(result: Job["result"], name: string): Ends | null {
  const [, group, metric = name] = /^(speed)\.(.+)$/.exec(name) ?? [];
  const measured = group ? members(result, group) : result;
  const [low, high] = asEnds(members(measured, "intervals")[metric]);
  return low == null || high == null ? null : [low, high];
}

/** Whether a ratio to the dense model is better than 1, by more than its interval. */
export function isBetter(result: Job["result"], name: string, lower: boolean): boolean | null {
  const [low, high] = endsOf(result, name) ?? [0, 2];
  return low <= 1 && high >= 1 ? null : high < 1 === lower;
}

function asEnds(ends: unknown): (number | null)[] {
  return Array.isArray(ends) ? ends.map(number) : [];
}

/**
 * Return by how much a job's metric may differ from another's by chance, as a share of 95 %.
 *
 * Accuracies: what both jobs lost from the dense model is known from the same items. Perplexities:
 * as far as their ratios to the dense model are, on the same windows. The result is in points of
 * the metric's logarithm for perplexities and ratios; `null` if one of both has no interval.
 */
export function chanceOf(one: Job, other: Job, name: string): number | null {
  const [a, b] = [one, other].map((job) => spreadOf(job, name));
  return a == null || b == null ? null : Math.hypot(a, b);
}

function spreadOf({ result }: Job, name: string): number | null {
  const task = taskOf(name);
  if (task !== null) return halfWidth(number(members(result, "acc_drop_stderr")[task]));
  const onText = errorOnText(result, name);
  if (onText !== null) return halfWidth(onText);
  const ends = endsOf(result, name === "pruned_perplexity" ? "perplexity_ratio" : name);
  return ends && Math.log(ends[1] / ends[0]) / 2;
}

/** Return the standard error of a metric of a text, as a share of it. */
function errorOnText(result: Job["result"], name: string): number | null {
  const [, group, text = ""] = /^(text_ratio|kl|agreement)\.(.+)$/.exec(name) ?? [];
  if (group === undefined) return null;
  const value = number(members(result, group)[text]);
  const error = number(members(result, `${group}_stderr`)[text]);
  return value && error !== null ? error / value : null;
}

/** Return the task whose accuracy a metric is; `null` for any other metric. */
export function taskOf(name: string): string | null {
  return /^acc\.(.+)$/.exec(name)?.[1] ?? null;
}
