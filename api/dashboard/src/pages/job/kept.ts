/** The blocks that a job keeps from earlier attempts, from its events. */

import type { Job, JobEvent } from "../../api/client.ts";
import { number } from "../../api/jobs.ts";
import { ofLastStep } from "./gradual-steps.ts";

export interface Kept {
  blocks: number;
  total: number;
}

/**
 * Return the blocks that the next or current attempt does not prune again; null if there are none.
 *
 * An attempt reports what it found. Until it does, it is what earlier attempts have finished.
 */
export function keptBlocks(job: Job, events: JobEvent[]): Kept | null {
  const isWaiting = job.status === "queued" || job.status === "paused";
  const total = events.map(blockOf).find((block) => block !== null)?.total;
  if (total === undefined) return null;
  const own = isWaiting ? [] : events.filter(({ attempt }) => attempt === job.attempt);
  const found = own.map(({ data }) => number(data.resumed_from_block)).find((one) => one !== null);
  const hasBegun = own.some((event) => blockOf(event) !== null);
  const earlier = isWaiting ? job.attempt : job.attempt - 1;
  const blocks = found ?? (hasBegun ? 0 : finishedBlocks(events, earlier));
  return blocks > 0 ? { blocks, total } : null;
}

/**
 * Return how many blocks are finished after an attempt, those of earlier ones included.
 *
 * Of a gradual job, only those of the newest step count.
 */
export function finishedBlocks(events: JobEvent[], attempt: number): number {
  const numbers = ofLastStep(events.filter((event) => event.attempt <= attempt)).map(
    (event) => (blockOf(event)?.index ?? -1) + 1,
  );
  return Math.max(0, ...numbers);
}

function blockOf({ kind, data }: JobEvent): { index: number; total: number } | null {
  const { block } = data as { block?: { index: number; total: number } | null };
  return kind === "progress" && block ? block : null;
}
