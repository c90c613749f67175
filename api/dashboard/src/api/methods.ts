/** The pruning methods. */

import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client.ts";

export const methods = queryOptions({
  queryKey: ["methods"],
  queryFn: async ({ signal }) => (await unwrap(api.GET("/v1/methods", { signal }))).data,
  staleTime: Number.POSITIVE_INFINITY,
});
