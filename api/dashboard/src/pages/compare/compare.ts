/** Compares the specifications and metrics of jobs. */

import type { Job } from "../../api/client.ts";
import { perplexityInterval } from "../../api/intervals.ts";
import { number } from "../../api/jobs.ts";
import { halfWidth, members } from "../../api/tasks.ts";
import { bytes, duration, figure, percent } from "../../format.ts";
import { toReadableText } from "../../spec/draft.ts";

export interface SpecRow {
  name: string;
  values: string[];
  differs: boolean;
}

/** Return the fields with each job's value; those that differ come first. */
export function specRows(jobs: Job[]): SpecRow[] {
  const specs = jobs.map((job) => job.spec as unknown as Record<string, unknown>);
  const names = [...new Set(specs.flatMap((spec) => Object.keys(spec)))];
  const rows = names.map((name) => {
    const values = specs.map((spec) => toReadableText(spec[name]));
    return { name, values, differs: new Set(values).size > 1 };
  });
  return [...rows.filter(({ differs }) => differs), ...rows.filter(({ differs }) => !differs)];
}

export interface Metric {
  name: string;
  label: string;
  format: (value: number | null) => string;
  /** Whether a lower value is better; `null` if neither is. */
  lowerIsBetter: boolean | null;
}

export const METRICS: Metric[] = [
  { name: "pruned_perplexity", label: "Perplexity", format: figure, lowerIsBetter: true },
  { name: "dense_perplexity", label: "Dense perplexity", format: figure, lowerIsBetter: null },
  { name: "perplexity_ratio", label: "Perplexity ratio", format: figure, lowerIsBetter: true },
  { name: "sparsity", label: "Sparsity", format: (v) => percent(v, 2), lowerIsBetter: null },
  { name: "weights_bytes", label: "Weight files", format: bytes, lowerIsBetter: true },
  {
    name: "quantization.bits_per_weight",
    label: "Bits per weight",
    format: figure,
    lowerIsBetter: true,
  },
  {
    name: "fallbacks",
    label: "Fallbacks",
    format: (v) => String(v ?? "–"),
    lowerIsBetter: true,
  },
  { name: "prune_seconds", label: "Pruning", format: duration, lowerIsBetter: true },
  { name: "evaluate_seconds", label: "Evaluation", format: duration, lowerIsBetter: null },
  { name: "peak_memory_bytes", label: "Peak memory", format: bytes, lowerIsBetter: true },
  // None is the best: a difference may be chance.
  { name: "speed.prefill_ratio", label: "Prefill ratio", format: figure, lowerIsBetter: null },
  { name: "speed.decode_ratio", label: "Decode ratio", format: figure, lowerIsBetter: null },
  { name: "weights_bytes_ratio", label: "File size ratio", format: figure, lowerIsBetter: true },
];

/** Return the accuracy of each task that a job was evaluated on. */
export function taskMetrics(jobs: Job[]): Metric[] {
  const names = new Set(jobs.flatMap(({ result }) => Object.keys(members(result, "acc"))));
  return [...names].sort().map((task) => ({
    name: `acc.${task}`,
    label: task,
    format: (value) => percent(value, 1),
    lowerIsBetter: false,
  }));
}

export function metricOf(job: Job, name: string): number | null {
  const [group = "", ...rest] = name.split(".");
  return number(rest.length > 0 ? members(job.result, group)[rest.join(".")] : job.result?.[name]);
}

/** Return the interval of an accuracy, "± 1.9 %", or of a perplexity, "(33.1 to 35.3)". */
export function intervalOf(job: Job, name: string): string | null {
  const ends = perplexityInterval(job.result, name);
  if (ends !== null) return `(${ends})`;
  const task = /^acc\.(.+)$/.exec(name)?.[1];
  const error = task === undefined ? null : number(members(job.result, "acc_stderr")[task]);
  const interval = halfWidth(error);
  return interval === null ? null : `± ${percent(interval, 1)}`;
}

const DIGITS = 3;

/**
 * Return the best jobs by a metric, among jobs of the same sparsity.
 *
 * A job is not the best alone, nor if all of its sparsity are equal.
 */
export function bestOf(jobs: Job[], metric: Metric): Set<string> {
  const bySparsity = new Map<string, Job[]>();
  for (const job of jobs) {
    const sparsity = metricOf(job, "sparsity")?.toFixed(DIGITS) ?? "";
    bySparsity.set(sparsity, [...(bySparsity.get(sparsity) ?? []), job]);
  }
  return new Set([...bySparsity.values()].flatMap((group) => bestOfEqual(group, metric)));
}

function bestOfEqual(jobs: Job[], { name, lowerIsBetter }: Metric): string[] {
  const known = jobs.flatMap((job) => {
    const value = metricOf(job, name);
    return value === null ? [] : [{ id: job.id, value }];
  });
  const values = known.map(({ value }) => value);
  if (lowerIsBetter === null || new Set(values).size < 2) return [];
  const best = lowerIsBetter ? Math.min(...values) : Math.max(...values);
  return known.filter(({ value }) => value === best).map(({ id }) => id);
}
