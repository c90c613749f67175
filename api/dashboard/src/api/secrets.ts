/** The caller's secrets: their names are read, their values only set. */

import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "./client.ts";
import type { components } from "./schema.d.ts";

export type CallerSecret = components["schemas"]["SecretRead"];

export const secrets = queryOptions({
  queryKey: ["secrets"],
  queryFn: async ({ signal }) => (await unwrap(api.GET("/v1/secrets", { signal }))).data,
});

/** Replace the value of a secret, or store a new one. */
export function useSecretChange() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ name, value }: { name: string; value: string }) =>
      unwrap(api.PUT("/v1/secrets/{name}", { params: { path: { name } }, body: { value } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["secrets"] }),
  });
}

export function useSecretDeletion() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ name, created_by: key }: CallerSecret) =>
      unwrap(
        api.DELETE("/v1/secrets/{name}", {
          params: { path: { name }, query: { key: key ?? "none" } },
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["secrets"] }),
  });
}
