/** The accuracies of a job's zero-shot tasks. */

import { margin, range } from "../format.ts";
import type { Job } from "./client.ts";
import { number } from "./jobs.ts";

/** The half width of a 95 % interval over the standard error. */
const NORMAL_95 = 1.96;

export interface TaskRow {
  task: string;
  dense: number | null;
  pruned: number | null;
  /** The 95 % intervals of both accuracies, as text. */
  denseInterval: string | null;
  interval: string | null;
  /** The half width of the 95 % interval of the difference of both accuracies. */
  dropInterval: number | null;
  pValue: number | null;
  items: number | null;
  /** The accuracy of answers that are drawn, where the task has a fixed number of them. */
  chance: number | null;
}

/** How many answers the questions of well-known tasks have; a few of the arc tasks have others. */
const ANSWERS: Record<string, number> = {
  ...{ boolq: 2, rte: 2, winogrande: 2, piqa: 2, copa: 2, mnli: 3 },
  ...{ hellaswag: 4, arc_easy: 4, arc_challenge: 4, openbookqa: 4 },
};

/** Return a row for each task, and for each suite of them. */
export function taskRows(job: Job): TaskRow[] {
  return Object.keys(members(job.result, "acc")).map((task) => {
    const of = (metric: string) => number(members(job.result, metric)[task]);
    const [dense, pruned] = [of("dense_acc"), of("acc")];
    const [items, pValue] = [of("items"), of("mcnemar_p")];
    const single = pValue === null ? null : items; // a suite has no p, and is a mean of tasks
    const answers = ANSWERS[task];
    return {
      ...{ task, dense, pruned, items, pValue },
      denseInterval: intervalOf(dense, single, null),
      interval: intervalOf(pruned, single, of("acc_stderr")),
      dropInterval: halfWidth(of("acc_drop_stderr")),
      chance: answers === undefined ? null : 1 / answers,
    };
  });
}

/** Format the 95 % interval of an accuracy: Wilson's if the items are known, else of its error. */
function intervalOf(share: number | null, items: number | null, error: number | null) {
  if (share !== null && items) return `(${range(wilson(share, items))})`;
  return error === null ? null : `${margin(halfWidth(error))} %`;
}

/** Return Wilson's 95 % interval of a share, which is not empty if all items are right. */
export function wilson(share: number, items: number): [low: number, high: number] {
  const spread = NORMAL_95 ** 2 / items;
  const middle = (share + spread / 2) / (1 + spread);
  const half = Math.sqrt(spread * share * (1 - share) + spread ** 2 / 4) / (1 + spread);
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
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
