/** What a person can have done to jobs. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { remember } from "./cache.ts";
import { api, ask, type Job, type JobRequest } from "./client.ts";

const path = (job_id: string) => ({ path: { job_id } });

export type Action = "cancel" | "retry" | "pause" | "resume";

const STARTERS: Record<Action, (id: string) => Promise<Job>> = {
  cancel: (id) => ask(api.POST("/v1/jobs/{job_id}/cancel", { params: path(id) })),
  retry: (id) => ask(api.POST("/v1/jobs/{job_id}/retry", { params: path(id) })),
  pause: (id) => ask(api.POST("/v1/jobs/{job_id}/pause", { params: path(id) })),
  resume: (id) => ask(api.POST("/v1/jobs/{job_id}/resume", { params: path(id) })),
};

/** Change a job's state; the answer is the job as it stands then. */
export function useAction(action: Action) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: STARTERS[action],
    onSuccess: (job) => remember(queries, job),
    onSettled: (_job, _error, id) => queries.invalidateQueries({ queryKey: ["job", id] }),
  });
}

const ALLOWED: Record<Action, ReadonlySet<string>> = {
  cancel: new Set(["queued", "running", "pausing", "paused"]),
  retry: new Set(["failed", "cancelled", "expired"]),
  pause: new Set(["queued", "running"]),
  resume: new Set(["pausing", "paused"]),
};

/** Whether a job in this state can be asked so; the service has the last word. */
export function isAllowed(action: Action, status: string): boolean {
  return ALLOWED[action].has(status);
}

/** Delete a job that has ended, with all that it left. */
export function useDeletion(done: () => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => {
      await ask(api.DELETE("/v1/jobs/{job_id}", { params: path(id) }));
      return id;
    },
    onSuccess: (id) => {
      done();
      queries.removeQueries({ queryKey: ["job", id] });
      queries.invalidateQueries({ queryKey: ["jobs"] });
      queries.invalidateQueries({ queryKey: ["facets"] });
    },
  });
}

/** A new job, or a job once more with changes. */
export type Order =
  | { kind: "new"; body: JobRequest }
  | { kind: "rerun"; parent: string; changes: Record<string, unknown> };

function post(order: Order, dryRun: boolean, key?: string, signal?: AbortSignal) {
  const header = key === undefined ? {} : { "idempotency-key": key };
  const query = { dry_run: dryRun };
  if (order.kind === "new") {
    return ask(api.POST("/v1/jobs", { params: { query, header }, body: order.body, signal }));
  }
  const params = { ...path(order.parent), query, header };
  const body = order.changes as never; // a map of anything: the service says what fits
  return ask(api.POST("/v1/jobs/{job_id}/rerun", { params, body, signal }));
}

/** Return what would be accepted; throw what is wrong with it. */
export async function preview(order: Order, signal: AbortSignal) {
  const answer = await post(order, true, undefined, signal);
  if ("status" in answer) throw new Error("A dry run answered with a job.");
  return answer;
}

/** Submit once, however often it is tried: the key stays the same for the same order. */
export async function submit(order: Order, key: string): Promise<Job> {
  const answer = await post(order, false, key);
  if (!("status" in answer)) throw new Error("A submission answered with a preview.");
  return answer;
}
