/** Workers and queues. */

import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "./client.ts";
import type { components } from "./schema.d.ts";

export type Worker = components["schemas"]["WorkerRead"];
export type Queue = components["schemas"]["QueueRead"];

const POLL_MS = 3000;
const MAX_SAMPLES = 200;

export const workers = queryOptions({
  queryKey: ["workers"],
  queryFn: async ({ signal }) => (await unwrap(api.GET("/v1/workers", { signal }))).data,
  refetchInterval: POLL_MS,
});

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
