/** Compares the specifications and metrics of jobs. */

import type { Job } from "../../api/client.ts";
import { number } from "../../api/jobs.ts";
import { bytes, duration, figure, percent } from "../../format.ts";
import { toText } from "../../spec/draft.ts";

export interface SpecRow {
  name: string;
  values: string[];
  differs: boolean;
}

export function specRows(jobs: Job[]): SpecRow[] {
  const specs = jobs.map((job) => job.spec as unknown as Record<string, unknown>);
  const names = [...new Set(specs.flatMap((spec) => Object.keys(spec)))];
  return names.map((name) => {
    const values = specs.map((spec) => toText(spec[name]));
    return { name, values, differs: new Set(values).size > 1 };
  });
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
  {
    name: "fallbacks",
    label: "Fallbacks",
    format: (v) => String(v ?? "–"),
    lowerIsBetter: true,
  },
  { name: "prune_seconds", label: "Pruning", format: duration, lowerIsBetter: true },
  { name: "evaluate_seconds", label: "Evaluation", format: duration, lowerIsBetter: null },
  { name: "peak_memory_bytes", label: "Peak memory", format: bytes, lowerIsBetter: true },
];

export function metricOf(job: Job, name: string): number | null {
  return number(job.result?.[name]);
}

/** Return the best jobs by a metric; none if all are equal or no direction is better. */
export function bestOf(jobs: Job[], { name, lowerIsBetter }: Metric): Set<string> {
  const known = jobs.flatMap((job) => {
    const value = metricOf(job, name);
    return value === null ? [] : [{ id: job.id, value }];
  });
  const values = known.map(({ value }) => value);
  if (lowerIsBetter === null || new Set(values).size < 2) return new Set();
  const best = lowerIsBetter ? Math.min(...values) : Math.max(...values);
  return new Set(known.filter(({ value }) => value === best).map(({ id }) => id));
}
