/** The figures of a job's benchmark. */

import type { Job } from "./client.ts";
import { isBetter } from "./intervals.ts";
import { number } from "./jobs.ts";
import { members } from "./tasks.ts";

export interface SpeedRow {
  label: string;
  dense: number;
  pruned: number;
  /** The pruned model's figure over the dense one's, as in the summary. */
  ratio: number;
  /** Whether the pruned model is better, by more than chance. */
  isBetter: boolean | null;
}

const MEGABYTE = 1e6;
const FIGURES = [
  { name: "prefill", unit: "tokens_per_second", label: "Reading the prompt, tokens/s", scale: 1 },
  { name: "decode", unit: "tokens_per_second", label: "Generating, tokens/s", scale: 1 },
  { name: "memory", unit: "bytes", label: "Memory, MB", scale: MEGABYTE },
];

/** Return a row for each figure that was measured. */
export function speedRows(job: Job): SpeedRow[] {
  const speed = members(job.result, "speed");
  return FIGURES.flatMap(({ name, unit, label, scale }) => {
    const dense = number(speed[`dense_${name}_${unit}`]);
    const pruned = number(speed[`pruned_${name}_${unit}`]);
    const ratio = number(speed[`${name}_ratio`]);
    if (dense === null || pruned === null || ratio === null) return [];
    const better = isBetter(job.result, `speed.${name}_ratio`, name === "memory");
    return [{ label, dense: dense / scale, pruned: pruned / scale, ratio, isBetter: better }];
  });
}

/** Return the sentences that say what the figures mean. */
export function speedSummary(job: Job): string[] {
  const { summary } = members(job.result, "speed");
  return Array.isArray(summary) ? summary.map(String) : [];
}
