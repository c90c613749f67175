/** Log lines of a job. */

import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client.ts";
import type { components } from "./schema.d.ts";

type LogPage = components["schemas"]["Page_LogLineRead_"];
/** Workers do not store lower levels. */
export const LEVELS = ["info", "warning", "error"] as const;
export type Level = (typeof LEVELS)[number];
export const TAIL = 500;

export function jobLogs(id: string, level: Level) {
  return queryOptions({
    queryKey: ["logs", id, level],
    queryFn: async ({ signal }) => {
      const params = { path: { job_id: id }, query: { level, tail: TAIL } };
      const response = await unwrap(api.GET("/v1/jobs/{job_id}/logs", { params, signal }));
      return (response as LogPage).data; // not plain text, which needs another Accept header
    },
  });
}
