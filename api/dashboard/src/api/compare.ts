/** The service's comparison of jobs. */

import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client.ts";

const MOST_OFFERED = 8;

/** The comparison with the first job. */
export function comparisonOf(ids: string[]) {
  return queryOptions({
    queryKey: ["compare", ids],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/v1/compare", { params: { query: { ids: ids.join(",") } }, signal })),
    enabled: ids.length > 1,
  });
}

/** The newest jobs with a text that have succeeded. */
export function comparableJobs(text: string) {
  return queryOptions({
    queryKey: ["jobs to compare", text],
    queryFn: async ({ signal }) => {
      const query = { q: text || undefined, status: ["succeeded" as const], limit: MOST_OFFERED };
      return (await unwrap(api.GET("/v1/jobs", { params: { query }, signal }))).data;
    },
  });
}
