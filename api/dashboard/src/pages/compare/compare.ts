/** What differs between jobs, and which of them is best by each figure. */

import type { Job } from "../../api/client.ts";
import { number } from "../../api/jobs.ts";
import { bytes, duration, figure, percent } from "../../format.ts";
import { written } from "../../spec/draft.ts";

export interface SpecRow {
  name: string;
  values: string[];
  differs: boolean;
}

export function specRows(jobs: Job[]): SpecRow[] {
  const specs = jobs.map((job) => job.spec as unknown as Record<string, unknown>);
  const names = [...new Set(specs.flatMap((spec) => Object.keys(spec)))];
  return names.map((name) => {
    const values = specs.map((spec) => written(spec[name]));
    return { name, values, differs: new Set(values).size > 1 };
  });
}

export interface Metric {
  name: string;
  label: string;
  say: (value: number | null) => string;
  /** Whether less of it is better; `null` where neither is. */
  lessIsBetter: boolean | null;
}

export const METRICS: Metric[] = [
  { name: "pruned_perplexity", label: "Perplexity", say: figure, lessIsBetter: true },
  { name: "dense_perplexity", label: "Dense perplexity", say: figure, lessIsBetter: null },
  { name: "perplexity_ratio", label: "Pruned over dense", say: figure, lessIsBetter: true },
  { name: "sparsity", label: "Sparsity", say: (v) => percent(v, 2), lessIsBetter: null },
  {
    name: "fallbacks",
    label: "Otherwise than asked",
    say: (v) => String(v ?? "–"),
    lessIsBetter: true,
  },
  { name: "prune_seconds", label: "Pruning", say: duration, lessIsBetter: true },
  { name: "evaluate_seconds", label: "Evaluation", say: duration, lessIsBetter: null },
  { name: "peak_memory_bytes", label: "Peak memory", say: bytes, lessIsBetter: true },
];

export function metricOf(job: Job, name: string): number | null {
  return number(job.result?.[name]);
}

/** Which jobs are best by a metric; none where all are alike or nothing can be best. */
export function bestOf(jobs: Job[], { name, lessIsBetter }: Metric): Set<string> {
  const known = jobs.flatMap((job) => {
    const value = metricOf(job, name);
    return value === null ? [] : [{ id: job.id, value }];
  });
  const values = known.map(({ value }) => value);
  if (lessIsBetter === null || new Set(values).size < 2) return new Set();
  const best = lessIsBetter ? Math.min(...values) : Math.max(...values);
  return new Set(known.filter(({ value }) => value === best).map(({ id }) => id));
}
