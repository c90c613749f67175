/** Keeps what the pages show up to date with what happens. */

import type { InfiniteData, Query, QueryClient } from "@tanstack/react-query";
import type { Job, JobEvent } from "./client.ts";
import { hear, isLater, type LiveEvent, patched } from "./faces.ts";
import { fetchJob, isFinal } from "./jobs.ts";
import { Throttle } from "./throttle.ts";

interface JobPage {
  data: Job[];
}
type JobPages = InfiniteData<JobPage, string>;

const throttle = new Throttle(1000);

/** Put a job's newest face wherever it is shown; answers may overtake each other. */
export function remember(queries: QueryClient, job: Job): void {
  const newer = (known: Job) => (isLater(known.updated_at, job.updated_at) ? known : job);
  amend<Job>(queries, ["job", job.id], (known) => (known ? newer(known) : job));
  patchLists(queries, job.id, newer);
  askThoseOnTheirWay(queries, job.id);
}

/** Note one event: what it says is shown at once, the rest is asked for soon. */
export function apply(queries: QueryClient, event: LiveEvent): void {
  const id = event.job_id;
  const isNews = hear(queries, event);
  const patch = (job: Job) => (isNews ? patched(job, event) : job);
  amend<Job>(queries, ["job", id], (job) => job && patch(job));
  const places = patchLists(queries, id, patch);
  append(queries, event);
  if (event.kind === "status" || event.kind === "described") settle(queries, event, places);
  if (event.kind === "progress") {
    throttle.run(`progress ${id}`, () => {
      again(queries, "blocks", id);
      again(queries, "job", id); // for the time it will take, which no event says
    });
  }
}

function settle(queries: QueryClient, event: LiveEvent, places: Places): void {
  const id = event.job_id;
  const shown = queries.getQueryState<Job>(["job", id]);
  if (places.isListed || shown?.data) throttle.run(`job ${id}`, () => lookAt(queries, id));
  if (places.isMissing || !places.isListed)
    throttle.run("again jobs", () => again(queries, "jobs"));
  else askThoseOnTheirWay(queries, id);
  throttle.run("facets", () => again(queries, "facets"));
  throttle.run("families", () => {
    again(queries, "sweep");
    again(queries, "sweeps");
    again(queries, "reruns");
  });
  if (isFinal(event.status)) {
    throttle.run(`end ${id}`, () => {
      again(queries, "blocks", id);
      again(queries, "artifacts", id);
    });
  }
}

async function lookAt(queries: QueryClient, id: string): Promise<void> {
  try {
    remember(queries, await fetchJob(id));
  } catch {
    // Left to those that show it: they try more than once, and say what is wrong.
    await Promise.all([again(queries, "job", id), again(queries, "jobs")]);
  }
}

/** What is on its way takes the place of what is known, and may be from before it. */
function askThoseOnTheirWay(queries: QueryClient, id: string): void {
  for (const key of [["jobs"], ["job", id]]) {
    const isOnItsWay = queries.isFetching({ queryKey: key }) > 0;
    if (isOnItsWay) throttle.run(`again ${key.join(" ")}`, () => again(queries, ...key));
  }
}

/** Ask again for everything on the screen: the stream had a gap. */
export async function catchUp(queries: QueryClient): Promise<void> {
  const predicate = (query: Query) => query.queryKey[0] !== "methods";
  // A first look goes on by itself when all are asked again, and it may be from before the gap.
  await queries.cancelQueries({
    fetchStatus: "fetching",
    predicate: (query) => predicate(query) && query.state.data === undefined,
  });
  await queries.invalidateQueries({ predicate });
}

/**
 * Ask again for what is shown of these.
 *
 * An answer that is on its way may be from before the wish, so it is waited for, and what it was for
 * asked once more. Left to itself the cache takes the answer of a first look for good, and breaks off
 * every other: of a service slower than its events it would never get an answer.
 */
export async function again(queries: QueryClient, ...queryKey: string[]): Promise<void> {
  const onTheirWay = queries.getQueryCache().findAll({ queryKey, fetchStatus: "fetching" });
  await Promise.all([
    queries.invalidateQueries({ queryKey, fetchStatus: "idle" }),
    ...onTheirWay.map(async (query) => {
      await query.fetch().catch(() => {}); // the query itself keeps and shows its error
      await queries.invalidateQueries(
        { queryKey: query.queryKey, exact: true },
        { cancelRefetch: false },
      );
    }),
  ]);
}

/** Add an event to its job's history, or have the history asked for where that leaves a gap. */
function append(queries: QueryClient, event: LiveEvent): void {
  const key = ["events", event.job_id];
  const state = queries.getQueryState<JobEvent[]>(key);
  const isGap = state?.data !== undefined && event.seq > (state.data.at(-1)?.seq ?? 0) + 1;
  amend<JobEvent[]>(queries, key, (known) => known && appended(known, event));
  if (isGap || state?.fetchStatus === "fetching") {
    throttle.run(key.join(" "), () => again(queries, ...key));
  }
}

/** Add an event that follows; leave a list with a gap for the next fetch to fill. */
export function appended(known: JobEvent[], event: JobEvent): JobEvent[] {
  const last = known.at(-1)?.seq ?? 0;
  return event.seq === last + 1 ? [...known, event] : known;
}

/** In which of the lists there are a job is shown. */
interface Places {
  isListed: boolean;
  isMissing: boolean;
}

function patchLists(queries: QueryClient, id: string, patch: (job: Job) => Job): Places {
  const places = { isListed: false, isMissing: false };
  for (const [key, data] of queries.getQueriesData<JobPages>({ queryKey: ["jobs"] })) {
    if (!data) continue;
    const isHere = data.pages.some((page) => page.data.some((job) => job.id === id));
    places[isHere ? "isListed" : "isMissing"] = true;
    if (!isHere) continue;
    const pages = data.pages.map((page) => ({
      ...page,
      data: page.data.map((job) => (job.id === id ? patch(job) : job)),
    }));
    amend<JobPages>(queries, key, () => ({ ...data, pages }));
  }
  return places;
}

/** Change what is kept, without making it look as if it had just been asked for. */
function amend<T>(
  queries: QueryClient,
  queryKey: readonly unknown[],
  change: (known: T | undefined) => T | undefined,
): void {
  const query = queries.getQueryCache().find({ queryKey });
  const { dataUpdatedAt: updatedAt, isInvalidated } = query?.state ?? {};
  queries.setQueryData<T>(queryKey, change, { updatedAt });
  if (isInvalidated) query?.invalidate();
}
