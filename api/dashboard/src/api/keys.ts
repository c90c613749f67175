/** Who may ask, and for what. */

import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, ask } from "./client.ts";
import type { components } from "./schema.d.ts";

export type Key = components["schemas"]["KeyRead"];
export type KeyScope = components["schemas"]["AccessScope"];
export type KeyRequest = components["schemas"]["KeyRequest"];

export const me = queryOptions({
  queryKey: ["me"],
  queryFn: ({ signal }) => ask(api.GET("/v1/me", { signal })),
});

export const keys = queryOptions({
  queryKey: ["keys"],
  queryFn: async ({ signal }) => (await ask(api.GET("/v1/keys", { signal }))).data,
});

/** Make a key; the answer alone holds it. */
export function useKeyCreation() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: KeyRequest) => ask(api.POST("/v1/keys", { body })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["keys"] }),
  });
}

/** End a key at once. */
export function useKeyRevocation() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (key_id: string) =>
      ask(api.DELETE("/v1/keys/{key_id}", { params: { path: { key_id } } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["keys"] }),
  });
}
