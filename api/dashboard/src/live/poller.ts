/** Refetches what is on the page while there is no stream. */

import type { InfiniteData, Query, QueryClient } from "@tanstack/react-query";
import type { Job } from "../api/client.ts";
import { isFinal } from "../api/jobs.ts";
import type { LiveStore } from "./state.ts";

const POLL_MS = 2000;
const LIVE_ROUNDS = 4;
/** Queries whose results never change. */
const CONSTANT = new Set(["methods", "preview", "sweep preview", "estimate", "report"]);
/** Queries that are read again at a pace of their own, or not before the page is opened again. */
const PACED = new Set(["trials", "storage", "use", "best"]);
/** Queries that do not change after a job has ended. */
const OF_ONE_JOB = new Set(["blocks", "events", "artifacts", "logs"]);

export function startPolling(queries: QueryClient, state: LiveStore): void {
  let round = 0;
  let turn = 0;
  setInterval(() => {
    round += 1;
    const { mode } = state.get();
    // Also poll now and then while the stream works, as events may be late.
    const isTime = mode === "polling" || (mode === "live" && round % LIVE_ROUNDS === 0);
    if (!isTime) return;
    turn += 1;
    queries.invalidateQueries({
      type: "active",
      fetchStatus: "idle", // pending ones would be aborted, and on a slow connection never complete
      predicate: (query) => isDue(queries, query, turn),
    });
  }, POLL_MS);
}

/** Whether a query is refetched in this turn. */
export function isDue(queries: QueryClient, query: Query, turn: number): boolean {
  const [name, id] = query.queryKey;
  if (CONSTANT.has(String(name)) || PACED.has(String(name))) return false;
  const { pages } = (query.state.data ?? {}) as Partial<InfiniteData<unknown>>;
  // All loaded pages are refetched, so refetch longer lists less often.
  if (Array.isArray(pages)) return turn % pages.length === 0;
  if (query.observers.some(({ options }) => options.staleTime === Number.POSITIVE_INFINITY)) {
    return false;
  }
  const job = queries.getQueryState<Job>(["job", id]);
  if (!job?.data || !isFinal(job.data.status)) return true;
  // Once more after the end: a response of the same moment may be from before it.
  if (OF_ONE_JOB.has(String(name))) return query.state.dataUpdatedAt < job.dataUpdatedAt + POLL_MS;
  return name !== "job";
}
