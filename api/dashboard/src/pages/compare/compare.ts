/** Compares the specifications and metrics of jobs. */

import type { Job } from "../../api/client.ts";
import { chanceOf, perplexityInterval, taskOf } from "../../api/intervals.ts";
import { number } from "../../api/jobs.ts";
import type { components } from "../../api/schema.d.ts";
import { members, taskRows } from "../../api/tasks.ts";
import {
  bytes,
  change,
  count,
  duration,
  figure,
  margin,
  percent,
  points,
  pValue,
  rounded,
  secondsBetween,
} from "../../format.ts";
import { expanded } from "../../spec/draft.ts";
import type { NamedField } from "../../spec/fields.ts";

type JobDetail = components["schemas"]["JobDetail"];

export interface SpecRow {
  name: string;
  label: string;
  values: unknown[];
  differs: boolean;
}

/** Return the fields that a job sets, with each job's value; those that differ come first. */
export function specRows(jobs: Job[], fields: NamedField[]): SpecRow[] {
  const specs = jobs.map(({ spec }) =>
    expanded(spec as unknown as Record<string, unknown>, fields),
  );
  const rows = fields.map(({ name, label }) => {
    const values = specs.map((spec) => spec[name]);
    const texts = new Set(values.map((value) => JSON.stringify(value ?? null)));
    return { name, label, values, differs: texts.size > 1 };
  });
  const set = rows.filter(({ values }) => values.some((value) => value != null));
  return [...set.filter(({ differs }) => differs), ...set.filter(({ differs }) => !differs)];
}

export interface Metric {
  name: string;
  label: string;
  /** The task or the text that it is measured on, named after the label. */
  on?: string;
  format: (value: number | null) => string;
  /** Whether a lower value is better; `null` if neither is. */
  lowerIsBetter: boolean | null;
  /** What makes a difference more than chance: its interval, any, or none, as it is not known. */
  judge: "interval" | "value" | null;
}

function metric(
  name: string,
  label: string,
  format: Metric["format"],
  lowerIsBetter: boolean | null = null,
  judge: Metric["judge"] = null,
): Metric {
  return { name, label, format, lowerIsBetter, judge };
}

export const METRICS: Metric[] = [
  metric("pruned_perplexity", "Perplexity", figure, true, "interval"),
  metric("dense_perplexity", "Dense perplexity", figure),
  metric("perplexity_ratio", "Perplexity ratio", figure, true, "interval"),
  metric("worst_ratio", "Worst ratio of a text", figure, true),
  metric("worst_kl", "Worst divergence of a text", figure, true),
  metric("reduction", "Reduction", percent),
  metric("sparsity", "Sparsity", percent),
  metric("parameters", "Parameters", count),
  metric("weights_bytes", "Weight files", bytes, true, "value"),
  metric("quantization.bits_per_weight", "Bits per weight", figure, true, "value"),
  metric("fallbacks", "Fallbacks", count, true, "value"),
  metric("phases", "All phases", duration, true),
  metric("prune_seconds", "Pruning", duration, true),
  metric("evaluate_seconds", "Evaluation", duration),
  metric("peak_memory_bytes", "Peak memory", bytes, true),
  metric("speed.prefill_ratio", "Prefill ratio", figure, false, "interval"),
  metric("speed.decode_ratio", "Decode ratio", figure, false, "interval"),
  metric("weights_bytes_ratio", "File size ratio", figure, true, "value"),
];

/** Return the accuracy of each task that a job was evaluated on. */
export function taskMetrics(jobs: Job[]): Metric[] {
  const names = new Set(jobs.flatMap(({ result }) => Object.keys(members(result, "acc"))));
  return [...names]
    .sort()
    .map((on) => ({ ...metric(`acc.${on}`, "", percent, false, "interval"), on }));
}

/** Return how far each job is from the dense model on each text that jobs were compared on. */
export function textMetrics(jobs: Job[]): Metric[] {
  const texts = [...new Set(jobs.flatMap(({ result }) => Object.keys(members(result, "kl"))))];
  return texts
    .sort()
    .flatMap((on) =>
      [
        metric(`text_ratio.${on}`, "Ratio on ", figure, true, "interval"),
        metric(`kl.${on}`, "Divergence on ", figure, true, "interval"),
        metric(`agreement.${on}`, "Same token on ", percent, false, "interval"),
      ].map((each) => ({ ...each, on })),
    );
}

export function metricOf(job: Job, name: string): number | null {
  if (name === "reduction") return job.reduction; // earlier releases have not stored it as a metric
  if (name === "phases") return phasesOf(job);
  const [group = "", ...rest] = name.split(".");
  return number(rest.length > 0 ? members(job.result, group)[rest.join(".")] : job.result?.[name]);
}

/** Return the seconds of all phases of a job, of all its attempts. */
function phasesOf(job: Job): number | null {
  if (!("phases" in job)) return null;
  const seconds = (job as JobDetail).phases.map(({ started_at, ended_at }) =>
    secondsBetween(started_at, ended_at),
  );
  return seconds.reduce((sum: number, each) => sum + (each ?? 0), 0);
}

/** Return the interval of an accuracy, "(72.2 to 100 %)", or of a perplexity or a ratio, "(33.1 to 35.3)". */
export function intervalOf(job: Job, name: string): string | null {
  const ends = perplexityInterval(job.result, name);
  if (ends !== null) return `(${ends})`;
  return taskRow(job, name)?.interval ?? null;
}

/** Describe what an accuracy lost from the dense model's: "−2.5 points ± 2.0 from dense, p 0.04". */
export function fromDense(job: Job, name: string): string | null {
  const row = taskRow(job, name);
  if (!row || row.dense === null) return null;
  const p = row.pValue === null ? "" : `, p ${pValue(row.pValue)}`;
  return `${points(row.dense, row.pruned)}${inPoints(row.dropInterval)} from dense${p}`;
}

/** Return the change of a metric from the baseline's; of an accuracy in points, with its interval. */
export function changeOf(baseline: Job, job: Job, { name }: Metric): string {
  const [from, to] = [metricOf(baseline, name), metricOf(job, name)];
  if (taskOf(name) === null) return change(from, to);
  return points(from, to) + inPoints(chanceOf(baseline, job, name));
}

function inPoints(interval: number | null): string {
  return interval === null ? "" : ` ${margin(interval)}`;
}

function taskRow(job: Job, name: string) {
  return taskRows(job).find(({ task }) => task === taskOf(name));
}

const DIGITS = 3;

/**
 * Return the best jobs by a metric, among jobs of the same reduction.
 *
 * These are the one with the best value, and all that differ from it no more than by chance; none
 * if no job is worse than by chance.
 */
export function bestOf(jobs: Job[], metric: Metric): Set<string> {
  const byReduction = new Map<number | null, Job[]>();
  for (const job of jobs) {
    const reduction = job.reduction === null ? null : rounded(job.reduction, DIGITS);
    byReduction.set(reduction, [...(byReduction.get(reduction) ?? []), job]);
  }
  return new Set([...byReduction.values()].flatMap((group) => bestOfEqual(group, metric)));
}

/** Return the most reduced job that has passed its gate; of equal ones, by the lowest perplexity. */
export function sparsestOf(jobs: Job[]): Job | undefined {
  const reduction = (job: Job) => rounded(job.reduction ?? 0, DIGITS);
  const perplexity = (job: Job) => metricOf(job, "pruned_perplexity") ?? Number.MAX_VALUE;
  const passed = jobs.filter(({ verdict }) => verdict === "pass");
  const byReduction = (a: Job, b: Job) =>
    reduction(b) - reduction(a) || perplexity(a) - perplexity(b);
  return passed.sort(byReduction)[0];
}

function bestOfEqual(jobs: Job[], metric: Metric): string[] {
  const known = jobs.flatMap((job) => {
    const value = metricOf(job, metric.name);
    return value === null ? [] : [{ job, value }];
  });
  const { lowerIsBetter } = metric;
  const [best] = known.sort((a, b) => (lowerIsBetter ? a.value - b.value : b.value - a.value));
  if (!best || lowerIsBetter === null) return [];
  const equal = known.filter(({ job }) => !isWorse(job, best.job, metric));
  return equal.length === known.length ? [] : equal.map(({ job }) => job.id);
}

/** Whether a job is worse than the best one, and by more than chance. */
function isWorse(job: Job, best: Job, { name, judge }: Metric): boolean {
  const [value, other] = [metricOf(job, name) ?? 0, metricOf(best, name) ?? 0];
  if (judge === "value") return value !== other;
  const chance = judge === null || job === best ? null : chanceOf(job, best, name);
  if (chance === null) return false;
  const difference = taskOf(name) === null ? Math.log(value / other) : value - other;
  return Math.abs(difference) > chance;
}
