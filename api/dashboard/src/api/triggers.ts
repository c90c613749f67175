/** Triggers, their tests and the calls that they received. */

import {
  infiniteQueryOptions,
  queryOptions,
  useMutation,
  useQueryClient,
} from "@tanstack/react-query";
import { api, unwrap } from "./client.ts";
import type { components } from "./schema.d.ts";

type Schemas = components["schemas"];
export type Trigger = Schemas["TriggerRead"];
export type TriggerRequest = Schemas["TriggerRequest"];
export type TriggerSource = Schemas["TriggerSource"];
export type TriggerDelivery = Schemas["TriggerDeliveryRead"];

const POLL_MS = 3000;
const PAGE_SIZE = 50;
const path = (trigger_id: string) => ({ path: { trigger_id } });

export const triggers = queryOptions({
  queryKey: ["triggers"],
  queryFn: async ({ signal }) => (await unwrap(api.GET("/v1/triggers", { signal }))).data,
});

export function triggerById(id: string) {
  return queryOptions({
    queryKey: ["trigger", id],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/v1/triggers/{trigger_id}", { params: path(id), signal })),
  });
}

export function callsOf(id: string) {
  return infiniteQueryOptions({
    queryKey: ["trigger calls", id],
    queryFn: ({ pageParam, signal }) => {
      const params = { ...path(id), query: { limit: PAGE_SIZE, cursor: pageParam || undefined } };
      return unwrap(api.GET("/v1/triggers/{trigger_id}/deliveries", { params, signal }));
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    refetchInterval: ({ state }) => POLL_MS * (state.data?.pages.length ?? 1),
  });
}

/** Change something, then refetch all triggers. */
function useChange<Input, Result>(
  change: (input: Input) => Promise<Result>,
  done?: (result: Result) => void,
) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: (result) => {
      for (const name of ["triggers", "trigger"]) queries.invalidateQueries({ queryKey: [name] });
      done?.(result);
    },
  });
}

/** Create a trigger; only the response contains its secret. */
export function useTriggerCreation() {
  return useChange((body: TriggerRequest) => unwrap(api.POST("/v1/triggers", { body })));
}

export function useTriggerChange(id: string, done: () => void) {
  return useChange(({ source: _, ...body }: TriggerRequest) => {
    return unwrap(api.PATCH("/v1/triggers/{trigger_id}", { params: path(id), body }));
  }, done);
}

/** Give a trigger a new secret; only the response contains it. */
export function useTriggerRotation(id: string) {
  return useChange(() =>
    unwrap(api.POST("/v1/triggers/{trigger_id}/rotate", { params: path(id) })),
  );
}

export function useTriggerDeletion(id: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => unwrap(api.DELETE("/v1/triggers/{trigger_id}", { params: path(id) })),
    onSuccess: () => {
      for (const name of ["trigger", "trigger calls"])
        queries.removeQueries({ queryKey: [name, id] });
      queries.invalidateQueries({ queryKey: triggers.queryKey });
    },
  });
}

/** Return the job that a call with this payload would start; nothing is started. */
export function useTriggerTest(id: string) {
  return useMutation({
    mutationFn: (payload: unknown) => {
      const body = { payload: payload as never }; // any JSON: the service validates it
      return unwrap(api.POST("/v1/triggers/{trigger_id}/test", { params: path(id), body }));
    },
  });
}
