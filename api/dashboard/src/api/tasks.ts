/** The accuracies of a job's zero-shot tasks. */

import type { Job } from "./client.ts";
import { number } from "./jobs.ts";

/** The half width of a 95 % interval over the standard error. */
const NORMAL_95 = 1.96;

export interface TaskRow {
  task: string;
  dense: number | null;
  pruned: number | null;
  /** The half width of the 95 % interval of the pruned model's accuracy. */
  interval: number | null;
  /** The half width of the 95 % interval of the difference of both accuracies. */
  dropInterval: number | null;
  pValue: number | null;
}

/** Return a row for each task, and for each suite of them. */
export function taskRows(job: Job): TaskRow[] {
  return Object.keys(members(job.result, "acc")).map((task) => {
    const of = (metric: string) => number(members(job.result, metric)[task]);
    return {
      task,
      dense: of("dense_acc"),
      pruned: of("acc"),
      interval: halfWidth(of("acc_stderr")),
      dropInterval: halfWidth(of("acc_drop_stderr")),
      pValue: of("mcnemar_p"),
    };
  });
}

/** Return the mean accuracy of the tasks and suites that a job names; `null` without any. */
export function meanAccuracy(job: Job): number | null {
  const accuracies = members(job.result, "acc");
  const known = (job.spec.tasks ?? []).flatMap((name) => number(accuracies[name]) ?? []);
  if (known.length === 0) return null;
  return known.reduce((sum, one) => sum + one, 0) / known.length;
}

/** Return the half width of the 95 % interval of an accuracy. */
export function halfWidth(standardError: number | null): number | null {
  return standardError === null ? null : NORMAL_95 * standardError;
}

/** Return a group of metrics, by name. */
export function members(result: Job["result"], group: string): Record<string, unknown> {
  const found = result?.[group];
  return typeof found === "object" && found !== null ? (found as Record<string, unknown>) : {};
}
