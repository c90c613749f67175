/** Asks again for what is on the screen while there is no stream. */

import type { InfiniteData, Query, QueryClient } from "@tanstack/react-query";
import type { Job } from "../api/client.ts";
import { isFinal } from "../api/jobs.ts";
import type { LiveStore } from "./state.ts";

const EVERY_MS = 2000;
const LIVE_ROUNDS = 4;
/** What no event and no time changes: the same question has the same answer. */
const UNCHANGING = new Set(["methods", "preview", "sweep preview", "estimate"]);
/** What nothing changes once a job has ended. */
const OF_ONE_JOB = new Set(["blocks", "events", "artifacts", "logs"]);

export function startPolling(queries: QueryClient, state: LiveStore): void {
  let round = 0;
  let turn = 0;
  setInterval(() => {
    round += 1;
    const { mode } = state.get();
    // A stream may be late, too: look for oneself now and then.
    const isTime = mode === "polling" || (mode === "live" && round % LIVE_ROUNDS === 0);
    if (!isTime) return;
    turn += 1;
    queries.invalidateQueries({
      type: "active",
      fetchStatus: "idle", // what is on its way would be broken off, and on a slow line never come
      predicate: (query) => isDue(queries, query, turn),
    });
  }, EVERY_MS);
}

/** Whether it is a query's turn to be asked again. */
export function isDue(queries: QueryClient, query: Query, turn: number): boolean {
  const [name, id] = query.queryKey;
  if (UNCHANGING.has(String(name))) return false;
  const { pages } = (query.state.data ?? {}) as Partial<InfiniteData<unknown>>;
  // All loaded pages are asked for, so the more there are, the rarer.
  if (Array.isArray(pages)) return turn % pages.length === 0;
  if (query.observers.some(({ options }) => options.staleTime === Number.POSITIVE_INFINITY)) {
    return false;
  }
  const job = queries.getQueryState<Job>(["job", id]);
  if (!job?.data || !isFinal(job.data.status)) return true;
  // Once more after the end is known, for what was asked at the same time may have been read before.
  if (OF_ONE_JOB.has(String(name))) return query.state.dataUpdatedAt < job.dataUpdatedAt + EVERY_MS;
  return name !== "job";
}
