/** The intervals of 95 % of a job's perplexities and of their ratio. */

import { figure } from "../format.ts";
import type { Job } from "./client.ts";
import { number } from "./jobs.ts";
import { members } from "./tasks.ts";

/** Return an interval as text, "33.1 to 35.3"; `null` if the job has none for the metric. */
export function perplexityInterval(result: Job["result"], name: string): string | null {
  const ends = members(result, "intervals")[name];
  if (!Array.isArray(ends)) return null;
  const [low, high] = ends.map(number);
  return low == null || high == null ? null : `${figure(low)} to ${figure(high)}`;
}
