/** Workers and queues. */

import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "./client.ts";
import type { components } from "./schema.d.ts";

export type Worker = components["schemas"]["WorkerRead"];
export type Queue = components["schemas"]["QueueRead"];

const POLL_MS = 3000;
/** As in the service: two heartbeats are missing, and the next is nearly due. */
const SILENT_AFTER_S = 8;
const MAX_SAMPLES = 200;

export const workers = queryOptions({
  queryKey: ["workers"],
  queryFn: async ({ signal }) => (await unwrap(api.GET("/v1/workers", { signal }))).data,
  refetchInterval: POLL_MS,
});

/**
 * Return for how many seconds a worker has been silent; null if it is not.
 *
 * The time since the last poll counts, unless later polls are missing: then the service may be
 * unreachable, and nothing is known of its workers.
 */
export function silenceOf(worker: Worker, fetchedAt: number, now: number): number | null {
  const since = (now - fetchedAt) / 1000;
  const silence = worker.silent_seconds + (since * 1000 < 2 * POLL_MS ? Math.max(0, since) : 0);
  return silence > SILENT_AFTER_S ? silence : null;
}

/** The number of waiting jobs at each poll since the page was opened. */
const depths = new Map<string, number[]>();

export const queues = queryOptions({
  queryKey: ["queues"],
  queryFn: async ({ signal }) => {
    const { data } = await unwrap(api.GET("/v1/queues", { signal }));
    return data.map((queue) => ({ ...queue, history: withHistory(queue) }));
  },
  refetchInterval: POLL_MS,
});

function withHistory({ name, depth }: Queue): number[] {
  const history = [...(depths.get(name) ?? []), depth].slice(-MAX_SAMPLES);
  depths.set(name, history);
  return history;
}

/** Drain a worker, or let a draining one take jobs again. */
export function useDrain() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, draining }: Worker) => {
      const params = { path: { worker_id: id } };
      return draining
        ? unwrap(api.POST("/v1/workers/{worker_id}/undrain", { params }))
        : unwrap(api.POST("/v1/workers/{worker_id}/drain", { params }));
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["workers"] }),
  });
}
