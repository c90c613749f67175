/** Estimates of a job's time, memory and size. */

import { queryOptions } from "@tanstack/react-query";
import { api, type Spec, unwrap } from "./client.ts";
import type { components } from "./schema.d.ts";

export type Estimate = components["schemas"]["EstimateRead"];

const POLL_MS = 1500;

/** Request an estimate, and poll until it is ready. */
export function estimateOf(spec: Spec | undefined) {
  return queryOptions({
    queryKey: ["estimate", spec],
    queryFn: ({ signal }) => unwrap(api.POST("/v1/estimates", { body: spec as never, signal })),
    enabled: spec !== undefined,
    retry: false,
    staleTime: 300_000,
    refetchInterval: ({ state }) => (state.data?.status === "pending" ? POLL_MS : false),
  });
}
