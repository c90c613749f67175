/** Trials: prompts that the dense and the pruned model of a finished job continue. */

import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { REQUESTS } from "./actions.ts";
import { api, unwrap } from "./client.ts";
import { isFinal } from "./jobs.ts";
import type { components } from "./schema.d.ts";

export type Trial = components["schemas"]["TrialRead"];
type TrialRequest = components["schemas"]["TrialRequest"];

const path = (job_id: string) => ({ path: { job_id } });
const trialsKey = (job: string) => ["trials", job];
/** How often the trials are read while one of them has not ended. */
const EVERY_MS = 1000;

/** The newest trials of a job; read again until all have ended. */
export function trialsOf(job: string) {
  return queryOptions({
    queryKey: trialsKey(job),
    queryFn: async ({ signal }) =>
      (await unwrap(api.GET("/v1/jobs/{job_id}/trials", { params: path(job), signal }))).data,
    refetchInterval: ({ state }) =>
      state.data?.some((one) => !isFinal(one.status)) ? EVERY_MS : false,
  });
}

export function useTrial(job: string, done: () => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: TrialRequest) =>
      unwrap(api.POST("/v1/jobs/{job_id}/trials", { params: path(job), body })),
    onSuccess: () => {
      done();
      queries.invalidateQueries({ queryKey: trialsKey(job) });
    },
  });
}

export function useTrialCancel(job: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: REQUESTS.cancel,
    onSettled: () => queries.invalidateQueries({ queryKey: trialsKey(job) }),
  });
}
