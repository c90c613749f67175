/** One action on many jobs, a few at a time. */

import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { REQUESTS } from "./actions.ts";
import { storeJob } from "./cache.ts";
import { api, type Job, unwrap } from "./client.ts";
import { asQuery, type JobFilter } from "./jobs.ts";

export type Bulk =
  | { kind: "cancel" | "retry" | "delete" }
  | { kind: "label"; name: string; value: string | null };

export interface Failure {
  job: Job;
  error: Error;
}

interface Outcome {
  /** The jobs that were changed, as they are now. */
  done: Job[];
  failed: Failure[];
}

const AT_ONCE = 4;
const MOST_OF_PAGE = 200;

/** Return all jobs that match a filter. */
export async function matchingJobs(filter: JobFilter): Promise<Job[]> {
  const [jobs, wanted]: [Job[], object] = [[], asQuery(filter)];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const query = { ...wanted, sort: filter.sort, limit: MOST_OF_PAGE, cursor };
    const page = await unwrap(api.GET("/v1/jobs", { params: { query } }));
    jobs.push(...page.data);
    cursor = page.next_cursor;
  }
  return jobs;
}

export function useBulk() {
  const queries = useQueryClient();
  const [left, setLeft] = useState(0);
  const run = async (jobs: Job[], action: Bulk): Promise<Outcome> => {
    const outcome: Outcome = { done: [], failed: [] };
    const waiting = [...jobs];
    setLeft(jobs.length);
    const work = async () => {
      for (let job = waiting.shift(); job; job = waiting.shift()) {
        try {
          const changed = await request(job, action);
          if (action.kind !== "delete") storeJob(queries, changed);
          outcome.done.push(changed);
        } catch (error) {
          outcome.failed.push({ job, error: error as Error });
        }
        setLeft((count) => count - 1);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    for (const key of ["jobs", "facets"]) queries.invalidateQueries({ queryKey: [key] });
    return outcome;
  };
  return { run, left };
}

/** Send one request; return the job as it is afterwards. */
async function request(job: Job, action: Bulk): Promise<Job> {
  const params = { path: { job_id: job.id } };
  if (action.kind === "delete") {
    await unwrap(api.DELETE("/v1/jobs/{job_id}", { params }));
    return job;
  }
  if (action.kind === "label") {
    const body = { labels: { [action.name]: action.value } };
    return unwrap(api.PATCH("/v1/jobs/{job_id}", { params, body }));
  }
  return REQUESTS[action.kind](job.id);
}
