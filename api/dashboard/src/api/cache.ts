/** Updates the query cache from events and responses. */

import type { InfiniteData, Query, QueryClient } from "@tanstack/react-query";
import type { Job, JobEvent } from "./client.ts";
import { fetchJob, isFinal } from "./jobs.ts";
import { isLater, type LiveEvent, recordEvent, withEvent } from "./live-events.ts";
import { Throttle } from "./throttle.ts";

interface JobPage {
  data: Job[];
}
type JobPages = InfiniteData<JobPage, string>;

const throttle = new Throttle(1000);

/** Update a job everywhere in the cache, unless the cached one is newer. */
export function storeJob(queries: QueryClient, job: Job): void {
  const newer = (known: Job) => (isLater(known.updated_at, job.updated_at) ? known : job);
  updateData<Job>(queries, ["job", job.id], (known) => (known ? newer(known) : job));
  patchLists(queries, job.id, newer);
  refetchPending(queries, job.id);
}

/** Apply one event to the cached data at once, and refetch soon what it does not contain. */
export function applyEvent(queries: QueryClient, event: LiveEvent): void {
  const id = event.job_id;
  const isNew = recordEvent(queries, event);
  const patch = (job: Job) => (isNew ? withEvent(job, event) : job);
  updateData<Job>(queries, ["job", id], (job) => job && patch(job));
  const presence = patchLists(queries, id, patch);
  appendToHistory(queries, event);
  if (event.kind === "status" || event.kind === "described") refreshAfter(queries, event, presence);
  if (event.kind.startsWith("output_"))
    throttle.run(`outputs ${id}`, () => refetch(queries, "outputs", id));
  if (event.kind === "files_deleted")
    throttle.run(`files ${id}`, () => refetch(queries, "artifacts", id));
  if (event.kind === "progress") {
    throttle.run(`progress ${id}`, () => {
      if (!("recovery" in event.data)) refetch(queries, "blocks", id);
      refetch(queries, "job", id); // for the remaining time, which events do not contain
    });
  }
}

function refreshAfter(queries: QueryClient, event: LiveEvent, presence: Presence): void {
  const id = event.job_id;
  const shown = queries.getQueryState<Job>(["job", id]);
  if (presence.isListed || shown?.data) throttle.run(`job ${id}`, () => refreshJob(queries, id));
  if (presence.isMissing || !presence.isListed)
    throttle.run("refetch jobs", () => refetch(queries, "jobs"));
  else refetchPending(queries, id);
  throttle.run("facets", () => refetch(queries, "facets"));
  throttle.run("groups", () => {
    refetch(queries, "sweep");
    refetch(queries, "sweeps");
    refetch(queries, "reruns");
  });
  if (isFinal(event.status)) {
    throttle.run(`end ${id}`, () => {
      refetch(queries, "blocks", id);
      refetch(queries, "artifacts", id);
      refetch(queries, "outputs", id);
    });
  }
}

async function refreshJob(queries: QueryClient, id: string): Promise<void> {
  try {
    storeJob(queries, await fetchJob(id));
  } catch {
    // The queries of the page retry, and show the error.
    await Promise.all([refetch(queries, "job", id), refetch(queries, "jobs")]);
  }
}

/** Refetch after pending requests: their responses replace the cache and may be older than it. */
function refetchPending(queries: QueryClient, id: string): void {
  for (const key of [["jobs"], ["job", id]]) {
    const isPending = queries.isFetching({ queryKey: key }) > 0;
    if (isPending) throttle.run(`refetch ${key.join(" ")}`, () => refetch(queries, ...key));
  }
}

/** Refetch everything on the page after a gap in the stream. */
export async function refetchAll(queries: QueryClient): Promise<void> {
  const predicate = (query: Query) => query.queryKey[0] !== "methods";
  // Invalidation does not restart a first fetch, whose response may be from before the gap.
  await queries.cancelQueries({
    fetchStatus: "fetching",
    predicate: (query) => predicate(query) && query.state.data === undefined,
  });
  await queries.invalidateQueries({ predicate });
}

/**
 * Refetch the active queries of a key.
 *
 * The response to a pending request may be outdated, so wait for it and fetch once more. By default
 * the cache would accept the response of a first fetch, and abort any later one: with a service that
 * is slower than its events, no fetch would ever complete.
 */
export async function refetch(queries: QueryClient, ...queryKey: string[]): Promise<void> {
  const pending = queries.getQueryCache().findAll({ queryKey, fetchStatus: "fetching" });
  await Promise.all([
    queries.invalidateQueries({ queryKey, fetchStatus: "idle" }),
    ...pending.map(async (query) => {
      await query.fetch().catch(() => {}); // the query itself keeps and shows its error
      await queries.invalidateQueries(
        { queryKey: query.queryKey, exact: true },
        { cancelRefetch: false },
      );
    }),
  ]);
}

/** Append an event to its job's history, or refetch the history if events are missing. */
function appendToHistory(queries: QueryClient, event: LiveEvent): void {
  const key = ["events", event.job_id];
  const state = queries.getQueryState<JobEvent[]>(key);
  const isGap = state?.data !== undefined && event.seq > (state.data.at(-1)?.seq ?? 0) + 1;
  updateData<JobEvent[]>(queries, key, (known) => known && appended(known, event));
  if (isGap || state?.fetchStatus === "fetching") {
    throttle.run(key.join(" "), () => refetch(queries, ...key));
  }
}

/** Append the next event; a later one is left to the next fetch. */
export function appended(known: JobEvent[], event: JobEvent): JobEvent[] {
  const last = known.at(-1)?.seq ?? 0;
  return event.seq === last + 1 ? [...known, event] : known;
}

/** Whether a job is in any cached list, and whether any lacks it. */
interface Presence {
  isListed: boolean;
  isMissing: boolean;
}

function patchLists(queries: QueryClient, id: string, patch: (job: Job) => Job): Presence {
  const presence = { isListed: false, isMissing: false };
  for (const [key, data] of queries.getQueriesData<JobPages>({ queryKey: ["jobs"] })) {
    if (!data) continue;
    const isListed = data.pages.some((page) => page.data.some((job) => job.id === id));
    presence[isListed ? "isListed" : "isMissing"] = true;
    if (!isListed) continue;
    const pages = data.pages.map((page) => ({
      ...page,
      data: page.data.map((job) => (job.id === id ? patch(job) : job)),
    }));
    updateData<JobPages>(queries, key, () => ({ ...data, pages }));
  }
  return presence;
}

/** Change cached data without marking it as freshly fetched. */
function updateData<T>(
  queries: QueryClient,
  queryKey: readonly unknown[],
  change: (known: T | undefined) => T | undefined,
): void {
  const query = queries.getQueryCache().find({ queryKey });
  const { dataUpdatedAt: updatedAt, isInvalidated } = query?.state ?? {};
  queries.setQueryData<T>(queryKey, change, { updatedAt });
  if (isInvalidated) query?.invalidate();
}
