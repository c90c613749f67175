/** What was last heard of each job: an answer may have been read before, and come after. */

import type { QueryClient } from "@tanstack/react-query";
import type { Job, JobEvent } from "./client.ts";

/** One event of the stream of all jobs. */
export interface LiveEvent extends JobEvent {
  job_id: string;
}

const KEPT = 2000;
const heard = new WeakMap<QueryClient, Map<string, LiveEvent>>();

/** Note an event; whether it is news, for a stream that is taken up again may repeat itself. */
export function hear(queries: QueryClient, event: LiveEvent): boolean {
  const events = heard.get(queries) ?? new Map<string, LiveEvent>();
  heard.set(queries, events);
  const known = events.get(event.job_id);
  if (known && known.seq >= event.seq) return false;
  events.delete(event.job_id); // so that it is put at the end, and the oldest is at the start
  events.set(event.job_id, event);
  const [oldest] = events.keys();
  if (events.size > KEPT && oldest) events.delete(oldest);
  return true;
}

/** Return a job as it was answered, moved on by what was heard since it was read. */
export function upToDate(queries: QueryClient, job: Job): Job {
  const event = heard.get(queries)?.get(job.id);
  return event && !isLater(job.updated_at, event.at) ? patched(job, event) : job;
}

export function patched(job: Job, event: LiveEvent): Job {
  if (event.attempt < job.attempt) return job;
  const next = { ...job, status: event.status, phase: event.phase, attempt: event.attempt };
  if (event.kind === "progress" && typeof event.data.fraction === "number") {
    const block = event.data.block as Job["progress"]["block"];
    next.progress = { ...job.progress, fraction: event.data.fraction, block };
  }
  return next;
}

/** Compare two moments of the service, which leaves a fraction of zero out. */
export function isLater(one: string, other: string): boolean {
  return one.replace("Z", "") > other.replace("Z", "");
}
