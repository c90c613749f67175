/** The jobs and the worker hours of a week. */

import { queryOptions } from "@tanstack/react-query";
import { api, type Job, unwrap } from "./client.ts";
import type { components } from "./schema.d.ts";

export type UseRow = components["schemas"]["UseRow"];

/** A week from Monday on, in UTC, as the service sums use by day. */
export interface Week {
  after: Date;
  before: Date;
}

const POLL_MS = 60_000;
const MOST = 5;

/** Return the week of a day, or one that is some weeks away from it. */
export function weekOf(day: Date, away = 0): Week {
  const monday = day.getUTCDate() - ((day.getUTCDay() + 6) % 7) + 7 * away;
  const at = (date: number) => new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), date));
  return { after: at(monday), before: at(monday + 7) };
}

export function bounds({ after, before }: Week) {
  return { after: after.toISOString(), before: before.toISOString() };
}

export function useIn(week: Week) {
  const query = bounds(week);
  return queryOptions({
    queryKey: ["use", query],
    queryFn: ({ signal }) => unwrap(api.GET("/v1/use", { params: { query }, signal })),
    refetchInterval: POLL_MS,
  });
}

/** The jobs that were submitted in a week, have passed their gate, and have reduced the most. */
export function bestIn({ after, before }: Week) {
  const query = {
    ...{ verdict: "pass" as const, sort: "-reduction" as const, limit: MOST },
    created_after: new Date(after.getTime() - 1).toISOString(), // the bound is exclusive
    created_before: before.toISOString(),
  };
  return queryOptions({
    queryKey: ["best", query],
    queryFn: async ({ signal }) =>
      (await unwrap(api.GET("/v1/jobs", { params: { query }, signal }))).data as Job[],
    refetchInterval: POLL_MS,
  });
}
