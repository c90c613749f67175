// @vitest-environment happy-dom

import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { expect, it } from "vitest";
import { makeEvent, makeJob } from "../testing.ts";
import { appended, apply, patched, remember } from "./cache.ts";

const BLOCK = { index: 1, total: 4, name: "model.layers.1" };

it("moves a job on by its events, and keeps what they do not say", () => {
  const job = makeJob();
  const event = makeEvent({ data: { fraction: 0.5, block: BLOCK } });
  expect(patched(job, event).progress).toEqual({ fraction: 0.5, block: BLOCK, eta_seconds: 10 });
  expect(patched(job, makeEvent({ kind: "phase", phase: "evaluating" })).phase).toBe("evaluating");
});

it("ignores what a dead attempt still says", () => {
  const job = makeJob({ attempt: 2, status: "queued" });
  expect(patched(job, makeEvent({ attempt: 1 }))).toBe(job);
});

it("adds an event that follows, once, and leaves a gap to be fetched", () => {
  const [first, second, third] = [1, 2, 3].map((seq) => makeEvent({ seq }));
  if (!first || !second || !third) throw new Error("three events");
  expect(appended([first], second).map((one) => one.seq)).toEqual([1, 2]);
  expect(appended([first, second], second).map((one) => one.seq)).toEqual([1, 2]);
  expect(appended([first], third).map((one) => one.seq)).toEqual([1]);
});

it("shows a job's newest face in every list and on its page", () => {
  const queries = new QueryClient();
  const [job, other] = [makeJob(), makeJob({ id: "job_0" })];
  const key = ["jobs", { status: [], sort: "-created" }];
  queries.setQueryData(key, { pages: [{ data: [other] }, { data: [job] }], pageParams: ["", "c"] });
  queries.setQueryData(["job", job.id], job);

  apply(queries, makeEvent({ data: { fraction: 0.75, block: BLOCK } }));

  const list = queries.getQueryData<{ pages: { data: (typeof job)[] }[] }>(key);
  expect(list?.pages[1]?.data[0]?.progress.fraction).toBe(0.75);
  expect(list?.pages[0]?.data[0]).toBe(other);
  expect(queries.getQueryData<typeof job>(["job", job.id])?.progress.block).toEqual(BLOCK);

  remember(queries, makeJob({ status: "cancelled" }));
  expect(queries.getQueryData<typeof job>(["job", job.id])?.status).toBe("cancelled");
});

it("keeps a newer face when an older answer comes late", () => {
  const queries = new QueryClient();
  const at = (second: number) => `2026-01-05T09:31:0${second}Z`;
  const job = makeJob({ status: "succeeded", updated_at: at(2) });
  remember(queries, job);
  remember(queries, makeJob({ status: "running", updated_at: at(1) }));
  expect(queries.getQueryData<typeof job>(["job", job.id])?.status).toBe("succeeded");
});

it("asks again for a list that was being asked for when something happened", async () => {
  const queries = new QueryClient();
  const key = ["jobs", { status: [], sort: "-created" }];
  const answers: ((page: object) => void)[] = [];
  const queryFn = () => new Promise<object>((answer) => answers.push(answer));
  queries.setQueryData(key, { pages: [{ data: [makeJob()] }], pageParams: [""] });
  const observer = new QueryObserver(queries, { queryKey: key, queryFn });
  const stop = observer.subscribe(() => {});
  observer.refetch();
  await expect.poll(() => answers.length).toBeGreaterThan(0);
  const before = answers.length;

  apply(queries, makeEvent({ kind: "status", status: "succeeded" }));

  await expect.poll(() => answers.length).toBeGreaterThan(before);
  stop();
});
