/** Who works, and what waits. */

import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, ask } from "./client.ts";
import type { components } from "./schema.d.ts";

export type Worker = components["schemas"]["WorkerRead"];
export type Queue = components["schemas"]["QueueRead"];

const EVERY_MS = 3000;
const MOST_SAMPLES = 200;

export const workers = queryOptions({
  queryKey: ["workers"],
  queryFn: async ({ signal }) => (await ask(api.GET("/v1/workers", { signal }))).data,
  refetchInterval: EVERY_MS,
});

/** How many jobs waited, at each look since the page was opened. */
const depths = new Map<string, number[]>();

export const queues = queryOptions({
  queryKey: ["queues"],
  queryFn: async ({ signal }) => {
    const { data } = await ask(api.GET("/v1/queues", { signal }));
    return data.map((queue) => ({ ...queue, history: noted(queue) }));
  },
  refetchInterval: EVERY_MS,
});

function noted({ name, depth }: Queue): number[] {
  const history = [...(depths.get(name) ?? []), depth].slice(-MOST_SAMPLES);
  depths.set(name, history);
  return history;
}

/** Have a worker finish what it holds and take nothing new; or take jobs again. */
export function useDrain() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, draining }: Worker) => {
      const params = { path: { worker_id: id } };
      return draining
        ? ask(api.POST("/v1/workers/{worker_id}/undrain", { params }))
        : ask(api.POST("/v1/workers/{worker_id}/drain", { params }));
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["workers"] }),
  });
}
