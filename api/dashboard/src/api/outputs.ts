/** The outputs of a job: the targets that its result is sent to. */

import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "./client.ts";
import type { components } from "./schema.d.ts";

export type Output = components["schemas"]["OutputRead"];
export type OutputAction = "cancel" | "retry";

export function jobOutputs(job_id: string) {
  return queryOptions({
    queryKey: ["outputs", job_id],
    queryFn: async ({ signal }) => {
      const params = { path: { job_id } };
      return (await unwrap(api.GET("/v1/jobs/{job_id}/outputs", { params, signal }))).data;
    },
  });
}

/** Cancel an output, or send it again. */
export function useOutputAction(job_id: string, index: number) {
  const queries = useQueryClient();
  const params = { path: { job_id, index } };
  return useMutation({
    mutationFn: (action: OutputAction) =>
      action === "cancel"
        ? unwrap(api.POST("/v1/jobs/{job_id}/outputs/{index}/cancel", { params }))
        : unwrap(api.POST("/v1/jobs/{job_id}/outputs/{index}/retry", { params })),
    onSettled: () => queries.invalidateQueries({ queryKey: ["outputs", job_id] }),
  });
}
