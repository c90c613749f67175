/** Sweeps: many jobs that differ in a few fields. */

import {
  infiniteQueryOptions,
  queryOptions,
  useMutation,
  useQueryClient,
} from "@tanstack/react-query";
import { api, unwrap } from "./client.ts";
import type { components } from "./schema.d.ts";

export type Sweep = components["schemas"]["SweepRead"];
export type SweepSummary = components["schemas"]["SweepSummary"];
export type Point = components["schemas"]["PointRead"];
type SweepRequest = components["schemas"]["SweepRequest"];

export const sweepList = infiniteQueryOptions({
  queryKey: ["sweeps"],
  queryFn: ({ pageParam, signal }) =>
    unwrap(
      api.GET("/v1/sweeps", { params: { query: { cursor: pageParam || undefined } }, signal }),
    ),
  initialPageParam: "",
  getNextPageParam: (last) => last.next_cursor ?? undefined,
});

const path = (sweep_id: string) => ({ path: { sweep_id } });

export function sweepById(id: string) {
  return queryOptions({
    queryKey: ["sweep", id],
    queryFn: ({ signal }) => unwrap(api.GET("/v1/sweeps/{sweep_id}", { params: path(id), signal })),
  });
}

export function useSweepCancel() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) =>
      unwrap(api.POST("/v1/sweeps/{sweep_id}/cancel", { params: path(id) })),
    onSettled: (_sweep, _error, id) => queries.invalidateQueries({ queryKey: ["sweep", id] }),
  });
}

export async function previewSweep(body: Record<string, unknown>, signal: AbortSignal) {
  const params = { query: { dry_run: true } };
  const response = await unwrap(
    api.POST("/v1/sweeps", { params, body: body as unknown as SweepRequest, signal }),
  );
  if ("id" in response) throw new Error("The service responded to a dry run with a sweep.");
  return response;
}

export async function submitSweep(body: Record<string, unknown>, key: string): Promise<Sweep> {
  const params = { header: { "idempotency-key": key } };
  const response = await unwrap(
    api.POST("/v1/sweeps", { params, body: body as unknown as SweepRequest }),
  );
  if (!("id" in response)) throw new Error("The service responded to a submission with a preview.");
  return response;
}
