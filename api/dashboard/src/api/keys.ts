/** API keys and the current caller. */

import { queryOptions, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "./client.ts";
import type { components } from "./schema.d.ts";

export type Key = components["schemas"]["KeyRead"];
export type KeyScope = components["schemas"]["AccessScope"];
export type KeyRequest = components["schemas"]["KeyRequest"];

export const me = queryOptions({
  queryKey: ["me"],
  queryFn: ({ signal }) => unwrap(api.GET("/v1/me", { signal })),
});

/** A query of its own: it is fetched once, and never polled. */
export const caller = queryOptions({
  ...me,
  queryKey: ["caller"],
  staleTime: Number.POSITIVE_INFINITY,
});

/** Whether the caller has a scope; undefined until that is known. */
export function useMay(scope: KeyScope): boolean | undefined {
  const { data, isFetched } = useQuery(caller);
  if (isFetched && !data) return true; // it could not be read: the service decides in the end
  return data?.scopes.some((one) => one === scope || one === "admin");
}

export const keys = queryOptions({
  queryKey: ["keys"],
  queryFn: async ({ signal }) => (await unwrap(api.GET("/v1/keys", { signal }))).data,
});

/** Create a key; only the response contains it. */
export function useKeyCreation() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: KeyRequest) => unwrap(api.POST("/v1/keys", { body })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["keys"] }),
  });
}

export function useKeyRevocation() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (key_id: string) =>
      unwrap(api.DELETE("/v1/keys/{key_id}", { params: { path: { key_id } } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["keys"] }),
  });
}
