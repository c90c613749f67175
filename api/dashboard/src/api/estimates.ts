/** What a job would take, before it is submitted. */

import { queryOptions } from "@tanstack/react-query";
import { api, ask, type Spec } from "./client.ts";
import type { components } from "./schema.d.ts";

export type Estimate = components["schemas"]["EstimateRead"];

const AGAIN_MS = 1500;

/** Ask for an estimate, and again as long as the planner works on it. */
export function estimateOf(spec: Spec | undefined) {
  return queryOptions({
    queryKey: ["estimate", spec],
    queryFn: ({ signal }) => ask(api.POST("/v1/estimates", { body: spec as never, signal })),
    enabled: spec !== undefined,
    retry: false,
    staleTime: 300_000,
    refetchInterval: ({ state }) => (state.data?.status === "pending" ? AGAIN_MS : false),
  });
}
