/** The service's comparison of jobs. */

import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client.ts";

export function comparisonOf(ids: string[]) {
  return queryOptions({
    queryKey: ["compare", ids],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/v1/compare", { params: { query: { ids: ids.join(",") } }, signal })),
    enabled: ids.length > 1,
  });
}
