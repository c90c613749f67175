/** Asks again for what is on the screen while there is no stream. */

import type { InfiniteData, Query, QueryClient } from "@tanstack/react-query";
import type { Job } from "../api/client.ts";
import { isFinal } from "../api/jobs.ts";
import type { LiveStore } from "./state.ts";

const EVERY_MS = 2000;
const LIVE_ROUNDS = 4;

export function startPolling(queries: QueryClient, state: LiveStore): void {
  let round = 0;
  setInterval(() => {
    round += 1;
    const { mode } = state.get();
    // A stream may be late, too: look for oneself now and then.
    const isTime = mode === "polling" || (mode === "live" && round % LIVE_ROUNDS === 0);
    if (!isTime || queries.isFetching() > 0) return;
    queries.invalidateQueries({
      type: "active",
      predicate: (query) => isDue(queries, query, round),
    });
  }, EVERY_MS);
}

export function isDue(queries: QueryClient, query: Query, round: number): boolean {
  const [name, id] = query.queryKey;
  if (name === "methods") return false;
  if (name === "jobs") {
    // All loaded pages are asked for, so the more there are, the rarer.
    const pages = (query.state.data as InfiniteData<unknown> | undefined)?.pages.length ?? 1;
    return round % pages === 0;
  }
  const job = queries.getQueryData<Job>(["job", id]);
  return job === undefined || !isFinal(job.status);
}
