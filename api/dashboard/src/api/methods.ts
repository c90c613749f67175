/** What a job can ask for. */

import { queryOptions } from "@tanstack/react-query";
import { api, ask } from "./client.ts";

export const methods = queryOptions({
  queryKey: ["methods"],
  queryFn: async ({ signal }) => (await ask(api.GET("/v1/methods", { signal }))).data,
  staleTime: Number.POSITIVE_INFINITY,
});
