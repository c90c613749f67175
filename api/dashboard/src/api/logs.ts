/** What the attempts of a job wrote. */

import { queryOptions } from "@tanstack/react-query";
import { api, ask } from "./client.ts";
import type { components } from "./schema.d.ts";

type LogPage = components["schemas"]["Page_LogLineRead_"];
/** A worker keeps nothing of less weight. */
export const LEVELS = ["info", "warning", "error"] as const;
export type Level = (typeof LEVELS)[number];
export const TAIL = 500;

export function jobLogs(id: string, level: Level) {
  return queryOptions({
    queryKey: ["logs", id, level],
    queryFn: async ({ signal }) => {
      const params = { path: { job_id: id }, query: { level, tail: TAIL } };
      const answer = await ask(api.GET("/v1/jobs/{job_id}/logs", { params, signal }));
      return (answer as LogPage).data; // the other form, plain text, was not asked for
    },
  });
}
