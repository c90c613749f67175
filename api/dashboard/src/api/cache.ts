/** Keeps what the pages show up to date with what happens. */

import type { InfiniteData, QueryClient } from "@tanstack/react-query";
import type { Job, JobEvent } from "./client.ts";
import { fetchJob, isFinal } from "./jobs.ts";
import { Throttle } from "./throttle.ts";

/** One event of the stream of all jobs. */
export interface LiveEvent extends JobEvent {
  job_id: string;
}

interface JobPage {
  data: Job[];
}
type JobPages = InfiniteData<JobPage, string>;

const throttle = new Throttle(1000);

/** Put a job's newest face wherever it is shown; answers may overtake each other. */
export function remember(queries: QueryClient, job: Job): void {
  const newer = (known: Job) => (known.updated_at > job.updated_at ? known : job);
  queries.setQueryData<Job>(["job", job.id], (known) => (known ? newer(known) : job));
  patchLists(queries, job.id, newer);
}

/** Note one event: what it says is shown at once, the rest is asked for soon. */
export function apply(queries: QueryClient, event: LiveEvent): void {
  const id = event.job_id;
  const patch = (job: Job) => patched(job, event);
  queries.setQueryData<Job>(["job", id], (job) => job && patch(job));
  const isListed = patchLists(queries, id, patch);
  queries.setQueryData<JobEvent[]>(["events", id], (known) => known && appended(known, event));
  if (event.kind === "status" || event.kind === "described") settle(queries, event, isListed);
  if (event.kind === "progress") {
    throttle.run(`progress ${id}`, () => {
      again(queries, "blocks", id);
      again(queries, "job", id); // for the time it will take, which no event says
    });
  }
}

function settle(queries: QueryClient, event: LiveEvent, isListed: boolean): void {
  const id = event.job_id;
  const isShown = queries.getQueryData(["job", id]) !== undefined;
  if (isListed || isShown) {
    throttle.run(`job ${id}`, async () => remember(queries, await fetchJob(id)));
  }
  // A list that was asked for before this happened may answer with what was before it.
  const isOutdated = queries.isFetching({ queryKey: ["jobs"] }) > 0;
  if (isOutdated || !(isListed || isShown)) throttle.run("jobs", () => again(queries, "jobs"));
  throttle.run("facets", () => again(queries, "facets"));
  throttle.run("sweeps", () => {
    again(queries, "sweep");
    again(queries, "sweeps");
  });
  if (isFinal(event.status)) {
    throttle.run(`end ${id}`, () => {
      again(queries, "blocks", id);
      again(queries, "artifacts", id);
    });
  }
}

/** Ask again for everything on the screen: the stream had a gap. */
export function catchUp(queries: QueryClient): Promise<void> {
  return queries.invalidateQueries({ predicate: (query) => query.queryKey[0] !== "methods" });
}

function again(queries: QueryClient, ...queryKey: string[]): Promise<void> {
  return queries.invalidateQueries({ queryKey });
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

/** Add an event that follows; leave a list with a gap for the next fetch to fill. */
export function appended(known: JobEvent[], event: JobEvent): JobEvent[] {
  const last = known.at(-1)?.seq ?? 0;
  return event.seq === last + 1 ? [...known, event] : known;
}

function patchLists(queries: QueryClient, id: string, patch: (job: Job) => Job): boolean {
  let isListed = false;
  for (const [key, data] of queries.getQueriesData<JobPages>({ queryKey: ["jobs"] })) {
    if (!data?.pages.some((page) => page.data.some((job) => job.id === id))) continue;
    isListed = true;
    const pages = data.pages.map((page) => ({
      ...page,
      data: page.data.map((job) => (job.id === id ? patch(job) : job)),
    }));
    queries.setQueryData<JobPages>(key, { ...data, pages });
  }
  return isListed;
}
