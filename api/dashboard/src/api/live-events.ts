/** The latest event of each job: a response may arrive after an event but be older than it. */

import type { QueryClient } from "@tanstack/react-query";
import type { Job, JobEvent } from "./client.ts";

/** One event of the stream of all jobs. */
export interface LiveEvent extends JobEvent {
  job_id: string;
}

const MAX_JOBS = 2000;
const latestEvents = new WeakMap<QueryClient, Map<string, LiveEvent>>();

/** Store an event; return whether it is new, as a resumed stream may repeat events. */
export function recordEvent(queries: QueryClient, event: LiveEvent): boolean {
  const events = latestEvents.get(queries) ?? new Map<string, LiveEvent>();
  latestEvents.set(queries, events);
  const known = events.get(event.job_id);
  if (known && known.seq >= event.seq) return false;
  events.delete(event.job_id); // re-inserted at the end, so that the oldest is first
  events.set(event.job_id, event);
  const [oldest] = events.keys();
  if (events.size > MAX_JOBS && oldest) events.delete(oldest);
  return true;
}

/** Apply the latest event to a job of a response, if the event is newer. */
export function upToDate(queries: QueryClient, job: Job): Job {
  const event = latestEvents.get(queries)?.get(job.id);
  return event && !isLater(job.updated_at, event.at) ? withEvent(job, event) : job;
}

export function withEvent(job: Job, event: LiveEvent): Job {
  if (event.attempt < job.attempt) return job;
  const next = { ...job, status: event.status, phase: event.phase, attempt: event.attempt };
  if (event.kind === "progress" && typeof event.data.fraction === "number") {
    const block = event.data.block as Job["progress"]["block"];
    next.progress = { ...job.progress, fraction: event.data.fraction, block };
  }
  return next;
}

/** Compare two timestamps of the service, which omits a fraction of zero. */
export function isLater(one: string, other: string): boolean {
  return one.replace("Z", "") > other.replace("Z", "");
}
