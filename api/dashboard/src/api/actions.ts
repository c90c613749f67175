/** Mutations of jobs: submit, cancel, retry, pause, resume, pin, delete. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { storeJob } from "./cache.ts";
import { api, type Job, type JobRequest, unwrap } from "./client.ts";

const path = (job_id: string) => ({ path: { job_id } });

export type Action = "cancel" | "retry" | "pause" | "resume";

export const REQUESTS: Record<Action, (id: string) => Promise<Job>> = {
  cancel: (id) => unwrap(api.POST("/v1/jobs/{job_id}/cancel", { params: path(id) })),
  retry: (id) => unwrap(api.POST("/v1/jobs/{job_id}/retry", { params: path(id) })),
  pause: (id) => unwrap(api.POST("/v1/jobs/{job_id}/pause", { params: path(id) })),
  resume: (id) => unwrap(api.POST("/v1/jobs/{job_id}/resume", { params: path(id) })),
};

export function useAction(action: Action) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: REQUESTS[action],
    onSuccess: (job) => storeJob(queries, job),
    onSettled: (_job, _error, id) => queries.invalidateQueries({ queryKey: ["job", id] }),
  });
}

/** Pin a job, so that no retention rule deletes its files, or unpin it. */
export function usePin() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, pinned }: Job) =>
      unwrap(api.PATCH("/v1/jobs/{job_id}", { params: path(id), body: { pinned: !pinned } })),
    onSuccess: (job) => storeJob(queries, job),
    onSettled: (_job, _error, { id }) => queries.invalidateQueries({ queryKey: ["job", id] }),
  });
}

const ALLOWED: Record<Action, ReadonlySet<string>> = {
  cancel: new Set(["queued", "running", "pausing", "paused"]),
  retry: new Set(["failed", "cancelled", "expired"]),
  pause: new Set(["queued", "running"]),
  resume: new Set(["pausing", "paused"]),
};

/** Whether an action is offered for a job of this status; the service decides in the end. */
export function isAllowed(action: Action, status: string): boolean {
  return ALLOWED[action].has(status);
}

export function useDeletion() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => {
      await unwrap(api.DELETE("/v1/jobs/{job_id}", { params: path(id) }));
      return id;
    },
    onSuccess: (id) => {
      queries.removeQueries({ queryKey: ["job", id] });
      queries.invalidateQueries({ queryKey: ["jobs"] });
      queries.invalidateQueries({ queryKey: ["facets"] });
    },
  });
}

/** A request for a new job, or for a rerun with changes. */
export type Submission =
  | { kind: "new"; body: JobRequest }
  | { kind: "rerun"; parent: string; changes: Record<string, unknown> };

function post(submission: Submission, dryRun: boolean, key?: string, signal?: AbortSignal) {
  const header = key === undefined ? {} : { "idempotency-key": key };
  const query = { dry_run: dryRun };
  if (submission.kind === "new") {
    return unwrap(
      api.POST("/v1/jobs", { params: { query, header }, body: submission.body, signal }),
    );
  }
  const params = { ...path(submission.parent), query, header };
  const body = submission.changes as never; // any fields: the service validates them
  return unwrap(api.POST("/v1/jobs/{job_id}/rerun", { params, body, signal }));
}

/** Return the job that would be created; throw the problem if it would be refused. */
export async function preview(submission: Submission, signal: AbortSignal) {
  const response = await post(submission, true, undefined, signal);
  if ("status" in response) throw new Error("The service responded to a dry run with a job.");
  return response;
}

/** Submit a job; a retry with the same idempotency key creates no second one. */
export async function submit(submission: Submission, key: string): Promise<Job> {
  const response = await post(submission, false, key);
  if (!("status" in response))
    throw new Error("The service responded to a submission with a preview.");
  return response;
}
