/** The editable fields of a job: name, labels and priority. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { storeJob } from "./cache.ts";
import { api, type Job, unwrap } from "./client.ts";
import { ProblemError } from "./problem.ts";
import type { components } from "./schema.d.ts";

export type JobPatch = components["schemas"]["JobPatch"];
export type Description = Pick<Job, "name" | "labels" | "priority">;

/** Another person has changed the job in the meantime. */
export class ConflictError extends Error {
  constructor(readonly job: Job) {
    super("Another person has changed this job.");
    this.name = "ConflictError";
  }
}

const MAX_ATTEMPTS = 5;
const path = (job_id: string) => ({ path: { job_id } });

/**
 * Change a job's description, unless another person has changed it since it was shown.
 *
 * A running job gets a new version with every block, so after a version conflict, compare the
 * description itself and retry if it is unchanged.
 */
export async function describe(id: string, shown: Description, patch: JobPatch): Promise<Job> {
  for (let left = MAX_ATTEMPTS - 1; ; left -= 1) {
    const pending = api.GET("/v1/jobs/{job_id}", { params: path(id) });
    const job = await unwrap(pending);
    if (!isSame(shown, job)) throw new ConflictError(job);
    const etag = (await pending).response.headers.get("etag") ?? "*";
    const headers = { "if-match": etag };
    try {
      return await unwrap(
        api.PATCH("/v1/jobs/{job_id}", { params: path(id), body: patch, headers }),
      );
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
    mutationFn: ({ shown, patch }: { shown: Description; patch: JobPatch }) =>
      describe(id, shown, patch),
    onSuccess: (job) => {
      storeJob(queries, job);
      queries.invalidateQueries({ queryKey: ["job", id] });
      done();
    },
  });
}
