/** Whether figures of several jobs say anything about each other: the service knows. */

import { queryOptions } from "@tanstack/react-query";
import { api, ask } from "./client.ts";

export function comparisonOf(ids: string[]) {
  return queryOptions({
    queryKey: ["compare", ids],
    queryFn: ({ signal }) =>
      ask(api.GET("/v1/compare", { params: { query: { ids: ids.join(",") } }, signal })),
    enabled: ids.length > 1,
  });
}
