/** Workers and queues. */

import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "./client.ts";
import type { components } from "./schema.d.ts";

export type Worker = components["schemas"]["WorkerRead"];
export type Queue = components["schemas"]["QueueRead"];
export type WorkerPoint = components["schemas"]["WorkerPointRead"];
export type QueuePoint = components["schemas"]["QueuePointRead"];

const POLL_MS = 3000;
/** A poll that has no response by then is late: nothing is known of the time since. */
const LATE_MS = POLL_MS + 1000;
/** As in the service: two heartbeats are missing, and the next is nearly due. */
const SILENT_AFTER_S = 8;
const HISTORY_POLL_MS = 30_000;

export const workers = queryOptions({
  queryKey: ["workers"],
  queryFn: async ({ signal }) => (await unwrap(api.GET("/v1/workers", { signal }))).data,
  refetchInterval: POLL_MS,
});

/**
 * Return for how many seconds a worker has been silent; null if it is not.
 *
 * The time since the last poll counts until the next is late: then the service may be
 * unreachable. A worker whose heartbeats are on time is never called silent for that.
 */
export function silenceOf(worker: Worker, fetchedAt: number, now: number): number | null {
  const since = Math.min(Math.max(0, now - fetchedAt), LATE_MS);
  const silence = worker.silent_seconds + since / 1000;
  return silence > SILENT_AFTER_S ? silence : null;
}

export const queues = queryOptions({
  queryKey: ["queues"],
  queryFn: async ({ signal }) => (await unwrap(api.GET("/v1/queues", { signal }))).data,
  refetchInterval: POLL_MS,
});

/** The last day of each worker, by its name. */
export const workerHistories = queryOptions({
  queryKey: ["worker histories"],
  queryFn: async ({ signal }) => {
    const { data } = await unwrap(api.GET("/v1/workers/history", { signal }));
    return new Map(data.map(({ name, points }) => [name, points]));
  },
  refetchInterval: HISTORY_POLL_MS,
  staleTime: Number.POSITIVE_INFINITY,
});

/** The last day of each queue, by its name. */
export const queueHistories = queryOptions({
  queryKey: ["queue histories"],
  queryFn: async ({ signal }) => {
    const { data } = await unwrap(api.GET("/v1/queues/history", { signal }));
    return new Map(data.map(({ name, points }) => [name, points]));
  },
  refetchInterval: HISTORY_POLL_MS,
  staleTime: Number.POSITIVE_INFINITY,
});

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
