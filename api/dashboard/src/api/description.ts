/** What people call a job, and how urgent it is: the part of it that they may change. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { remember } from "./cache.ts";
import { api, ask, type Job } from "./client.ts";
import { ProblemError } from "./problem.ts";
import type { components } from "./schema.d.ts";

export type JobPatch = components["schemas"]["JobPatch"];
export type Description = Pick<Job, "name" | "labels" | "priority">;

/** Somebody else has changed meanwhile what is about to be changed. */
export class ConflictError extends Error {
  constructor(readonly job: Job) {
    super("Somebody else has changed this job.");
    this.name = "ConflictError";
  }
}

const TRIES = 5;
const path = (job_id: string) => ({ path: { job_id } });

/**
 * Change a job's description, if it is still what the person saw.
 *
 * A running job has a new version with every block, so the version alone says too much: whoever
 * finds another one looks whether the description is as it was, and tries again.
 */
export async function describe(id: string, seen: Description, patch: JobPatch): Promise<Job> {
  for (let left = TRIES - 1; ; left -= 1) {
    const looked = api.GET("/v1/jobs/{job_id}", { params: path(id) });
    const job = await ask(looked);
    if (!isSame(seen, job)) throw new ConflictError(job);
    const etag = (await looked).response.headers.get("etag") ?? "*";
    const headers = { "if-match": etag };
    try {
      return await ask(api.PATCH("/v1/jobs/{job_id}", { params: path(id), body: patch, headers }));
    } catch (error) {
      const isStale = error instanceof ProblemError && error.status === 412;
      if (!isStale || left === 0) throw error;
    }
  }
}

export function isSame(one: Description, other: Description): boolean {
  return (
    one.name === other.name &&
    one.priority === other.priority &&
    sorted(one.labels) === sorted(other.labels)
  );
}

function sorted(labels: Job["labels"]): string {
  return JSON.stringify(Object.entries(labels).sort());
}

export function useDescription(id: string, done: () => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ seen, patch }: { seen: Description; patch: JobPatch }) =>
      describe(id, seen, patch),
    onSuccess: (job) => {
      remember(queries, job);
      queries.invalidateQueries({ queryKey: ["job", id] });
      done();
    },
  });
}
