/** Sweeps: many jobs that differ in a few fields. */

import {
  infiniteQueryOptions,
  queryOptions,
  useInfiniteQuery,
  useMutation,
  useQueryClient,
} from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { api, type Job, unwrap } from "./client.ts";
import { jobList } from "./jobs.ts";
import type { components } from "./schema.d.ts";

/** A point of a sweep, with its job as soon as it is known. */
export type Point = components["schemas"]["PointRead"] & { job?: Job };
export type Sweep = Omit<components["schemas"]["SweepRead"], "points"> & { points: Point[] };
export type SweepSummary = components["schemas"]["SweepSummary"];
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

/** Return the sweep with the jobs of its points. */
export function useWithJobs(sweep: Sweep): Sweep {
  const list = useInfiniteQuery(
    jobList({ sweep: sweep.id, status: [], label: [], sort: "created" }),
  );
  const { data, hasNextPage, isFetching, isError, fetchNextPage } = list;
  useEffect(() => {
    if (hasNextPage && !isFetching && !isError) fetchNextPage();
  }, [hasNextPage, isFetching, isError, fetchNextPage]);
  return useMemo(() => {
    const jobs = new Map(data?.pages.flatMap((page) => page.data.map((job) => [job.id, job])));
    return {
      ...sweep,
      points: sweep.points.map((point) => ({ ...point, job: jobs.get(point.job_id) })),
    };
  }, [sweep, data]);
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
