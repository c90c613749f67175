// @vitest-environment happy-dom

import { InfiniteQueryObserver, QueryClient, QueryObserver } from "@tanstack/react-query";
import { beforeEach, expect, it, vi } from "vitest";
import { makeEvent, makeJob } from "../testing.ts";
import type { Job, JobEvent } from "./client.ts";
import { withEvent } from "./live-events.ts";

/** A service that responds when the test says so. */
const service = vi.hoisted(() => {
  const asked: { path: string; answer: (body: object, status?: number) => void }[] = [];
  globalThis.fetch = (input) =>
    new Promise((done) => {
      const path = new URL((input as Request).url).pathname;
      const answer = (body: object, status = 200) =>
        done(new Response(JSON.stringify(body), { status }));
      asked.push({ path, answer });
    });
  return { asked, to: (path: string) => asked.filter((one) => one.path === path) };
});

const BLOCK = { index: 1, total: 4, name: "model.layers.1" };
const at = (second: number) => `2026-01-05T09:31:0${second}Z`;
const page = (...data: Job[]) => ({ data, next_cursor: null, has_more: false });
let queries = new QueryClient();
let tests = 0;
let id: string;

let cache: typeof import("./cache.ts");
let jobs: typeof import("./jobs.ts");
let list: ReturnType<typeof jobs.jobList>;

beforeEach(async () => {
  // Work on one job is spread over time, and that of the test before may not have ended.
  vi.resetModules();
  queries.clear();
  tests += 1;
  id = `job_${tests}`;
  cache = await import("./cache.ts");
  jobs = await import("./jobs.ts");
  list = jobs.jobList({ status: [], label: [], sort: "-created" });
  queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  service.asked.length = 0;
});

const ETA = { p50: 10, p90: 12, untimed: [] };
const job = (overrides: Partial<Job> = {}) => makeJob({ id, ...overrides });
const succeeded = (seq = 9) =>
  makeEvent({ job_id: id, seq, kind: "status", status: "succeeded", phase: null, at: at(5) });
const listed = () => queries.getQueryData(list.queryKey)?.pages.flatMap((one) => one.data as Job[]);
const shown = () => queries.getQueryData<Job>(["job", id]);

/** Have the list on the screen, and wait until it is being asked for. */
async function watchList(): Promise<void> {
  new InfiniteQueryObserver(queries, list).subscribe(() => {});
  await expect.poll(() => service.to("/v1/jobs").length).toBe(1);
}

it("updates a job by its events, and keeps the other fields", () => {
  const event = makeEvent({ data: { fraction: 0.5, block: BLOCK } });
  expect(withEvent(job(), event).progress).toEqual({
    fraction: 0.5,
    block: BLOCK,
    eta_seconds: ETA,
  });
  expect(withEvent(job(), makeEvent({ kind: "phase", phase: "evaluating" })).phase).toBe(
    "evaluating",
  );
});

it("ignores events of an earlier attempt", () => {
  const retried = job({ attempt: 2, status: "queued" });
  expect(withEvent(retried, makeEvent({ attempt: 1 }))).toBe(retried);
});

it("appends the next event once, and fetches a gap", () => {
  const [first, second, third] = [
    makeEvent({ seq: 1 }),
    makeEvent({ seq: 2 }),
    makeEvent({ seq: 3 }),
  ];
  expect(cache.appended([first], second).map((one) => one.seq)).toEqual([1, 2]);
  expect(cache.appended([first, second], second).map((one) => one.seq)).toEqual([1, 2]);
  expect(cache.appended([first], third).map((one) => one.seq)).toEqual([1]);
});

it("shows a job's newest version in every list and on its page", () => {
  const other = makeJob({ id: "job_0" });
  const pages = [page(other), page(job())];
  queries.setQueryData<unknown>(list.queryKey, { pages, pageParams: ["", "c"] });
  queries.setQueryData(["job", id], job());

  cache.applyEvent(queries, makeEvent({ job_id: id, data: { fraction: 0.75, block: BLOCK } }));

  expect(listed()?.map((one) => one.progress.fraction)).toEqual([0.25, 0.75]);
  expect(listed()?.[0]).toBe(other);
  expect(shown()?.progress.block).toEqual(BLOCK);

  cache.storeJob(queries, job({ status: "cancelled" }));
  expect(shown()?.status).toBe("cancelled");
});

it("keeps a newer version when an older response arrives later", () => {
  cache.storeJob(queries, job({ status: "succeeded", updated_at: at(2) }));
  cache.storeJob(queries, job({ status: "running", updated_at: at(1) }));
  expect(shown()?.status).toBe("succeeded");
});

it("sorts a whole second before its fractions", () => {
  cache.storeJob(queries, job({ status: "running", updated_at: "2026-01-05T09:31:02Z" }));
  cache.storeJob(queries, job({ status: "succeeded", updated_at: "2026-01-05T09:31:02.001000Z" }));
  expect(shown()?.status).toBe("succeeded");
});

it("ignores events that a stream repeats", () => {
  queries.setQueryData(["job", id], job());
  cache.applyEvent(queries, succeeded(9));
  cache.applyEvent(queries, makeEvent({ job_id: id, seq: 8, kind: "status", status: "running" }));
  expect(shown()?.status).toBe("succeeded");
});

it("updates a response that was read before an event but arrives after it", async () => {
  await watchList();

  cache.applyEvent(queries, succeeded());
  service.to("/v1/jobs")[0]?.answer(page(job({ status: "running", updated_at: at(4) })));

  await expect.poll(() => listed()?.[0]?.status).toBe("succeeded");
});

it("keeps a response that was read after an event", async () => {
  await watchList();

  cache.applyEvent(queries, succeeded());
  service.to("/v1/jobs")[0]?.answer(page(job({ status: "queued", attempt: 2, updated_at: at(6) })));

  await expect.poll(() => listed()?.[0]?.status).toBe("queued");
});

it("requests again if the first request began before an event", async () => {
  await watchList();

  cache.applyEvent(queries, succeeded());
  service.to("/v1/jobs")[0]?.answer(page());

  await expect.poll(() => service.to("/v1/jobs").length).toBeGreaterThan(1);
  for (const one of service.to("/v1/jobs").slice(1)) {
    one.answer(page(job({ status: "succeeded" })));
  }
  await expect.poll(() => listed()?.length).toBe(1);
});

it("repeats a request that began before a gap", async () => {
  await watchList();

  cache.refetchAll(queries);
  await expect.poll(() => service.to("/v1/jobs").length).toBe(2);
  service.to("/v1/jobs")[1]?.answer(page(job({ status: "succeeded" })));
  await expect.poll(() => listed()?.[0]?.status).toBe("succeeded");
  service.to("/v1/jobs")[0]?.answer(page(job({ status: "running" })));

  await expect.poll(() => queries.isFetching()).toBe(0);
  expect(listed()?.[0]?.status).toBe("succeeded");
});

it("waits for a slow response instead of aborting it, then requests once more", async () => {
  queries.setQueryData<unknown>(list.queryKey, { pages: [page(job())], pageParams: [""] });
  await watchList();

  for (let wish = 0; wish < 3; wish += 1) cache.refetch(queries, "jobs");
  await new Promise((done) => setTimeout(done, 20));
  expect(service.to("/v1/jobs").length).toBe(1);
  service.to("/v1/jobs")[0]?.answer(page(job({ name: "slow" })));

  await expect.poll(() => service.to("/v1/jobs").length).toBe(2);
  expect(listed()?.[0]?.name).toBe("slow");
  service.to("/v1/jobs")[1]?.answer(page(job({ name: "newest" })));
  await expect.poll(() => listed()?.[0]?.name).toBe("newest");
  expect(service.to("/v1/jobs").length).toBe(2);
});

it("does not treat a list as fresh because one of its rows was updated", () => {
  const pages = [page(job())];
  queries.setQueryData<unknown>(list.queryKey, { pages, pageParams: [""] }, { updatedAt: 1000 });
  queries.invalidateQueries({ queryKey: ["jobs"] });

  cache.applyEvent(queries, makeEvent({ job_id: id, data: { fraction: 0.75, block: BLOCK } }));

  const state = queries.getQueryState(list.queryKey);
  expect(listed()?.[0]?.progress.fraction).toBe(0.75);
  expect([state?.dataUpdatedAt, state?.isInvalidated]).toEqual([1000, true]);
});

it("requests the whole job once it has ended, and again if that fails", async () => {
  queries.setQueryData(["job", id], job());
  new QueryObserver(queries, { ...jobs.jobById(id), staleTime: Infinity }).subscribe(() => {});

  cache.applyEvent(queries, succeeded());
  await expect.poll(() => service.to(`/v1/jobs/${id}`).length).toBe(1);
  service.to(`/v1/jobs/${id}`)[0]?.answer({}, 503);

  await expect.poll(() => service.to(`/v1/jobs/${id}`).length).toBe(2);
  const whole = job({ status: "succeeded", finished_at: at(5), updated_at: at(5) });
  service.to(`/v1/jobs/${id}`)[1]?.answer(whole);
  await expect.poll(() => shown()?.finished_at).toBe(at(5));
});

it("fetches a gap in a job's history", async () => {
  const events = (...seqs: number[]) => seqs.map((seq) => makeEvent({ job_id: id, seq }));
  queries.setQueryData(["events", id], events(1, 2));
  new QueryObserver(queries, { ...jobs.jobEvents(id), staleTime: Infinity }).subscribe(() => {});

  cache.applyEvent(queries, makeEvent({ job_id: id, seq: 4 }));

  const path = `/v1/jobs/${id}/events`;
  await expect.poll(() => service.to(path).length).toBe(1);
  service.to(path)[0]?.answer(page(...(events(1, 2, 3, 4) as never[])));
  await expect.poll(() => queries.getQueryData<JobEvent[]>(["events", id])?.length).toBe(4);
});
