import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { makeJob } from "../testing.ts";
import { isDue, startPolling } from "./poller.ts";
import { LiveStore } from "./state.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function queryOf(queries: QueryClient, queryKey: unknown[], data: unknown) {
  queries.setQueryData(queryKey, data);
  const query = queries.getQueryCache().find({ queryKey });
  if (query === undefined) throw new Error("it was just set");
  return query;
}

it("polls longer lists less often, and ended jobs never", () => {
  const queries = new QueryClient();
  const turns = [1, 2, 3, 4, 5, 6];
  const long = queryOf(queries, ["jobs", {}], { pages: [1, 2, 3], pageParams: [] });
  expect(turns.filter((turn) => isDue(queries, long, turn))).toEqual([3, 6]);
  const running = queryOf(queries, ["job", "a"], makeJob({ status: "running" }));
  const ended = queryOf(queries, ["job", "b"], makeJob({ status: "failed" }));
  expect([running, ended].map((one) => isDue(queries, one, 1))).toEqual([true, false]);
  for (const name of [
    "methods",
    "preview",
    "sweep preview",
    "estimate",
    "storage",
    "use",
    "best",
  ]) {
    expect(isDue(queries, queryOf(queries, [name, "{}"], {}), 1)).toBe(false);
  }
});

it("polls while the stream is live, whatever other requests are pending", async () => {
  const queries = new QueryClient();
  const state = new LiveStore();
  state.setMode("live");
  let polls = 0;
  const watch = (name: string, queryFn: () => unknown) =>
    new QueryObserver(queries, { queryKey: [name], queryFn }).subscribe(() => {});
  watch("slow", () => new Promise(() => {}));
  watch("workers", () => ++polls);
  startPolling(queries, state);
  await vi.advanceTimersByTimeAsync(1000);
  expect(polls).toBe(1);
  await vi.advanceTimersByTimeAsync(16_000);
  expect(polls).toBe(3);
});
