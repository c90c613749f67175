import { expect, it } from "vitest";
import { makeJob, makeSpec } from "../../testing.ts";
import { addressOf, viewOf } from "./address.ts";
import { bestOf, intervalOf, METRICS, metricOf, specRows, taskMetrics } from "./compare.ts";
import { divide } from "./entries.ts";

const job = (id: string, result: object, spec = {}) =>
  makeJob({ id, status: "succeeded", result: result as never, spec: makeSpec(spec) });
const perplexity = METRICS[0];

it("marks the fields that differ", () => {
  const rows = specRows([job("a", {}), job("b", {}, { sparsity: 0.6, skip: ["x"] })]);
  expect(rows.filter((row) => row.differs).map(({ name, values }) => [name, ...values])).toEqual([
    ["sparsity", "0.5", "0.6"],
    ["skip", "", "x"],
  ]);
});

it("shows the fields that differ first", () => {
  const rows = specRows([job("a", {}), job("b", {}, { skip: ["x"] })]);
  expect(rows[0]?.name).toBe("skip");
  expect(rows.length).toBeGreaterThan(5);
});

it("marks the best only among jobs of the same sparsity", () => {
  if (!perplexity) throw new Error("there are metrics");
  const at = (sparsity: number, value: number, id: string) =>
    job(id, { sparsity, pruned_perplexity: value });
  const jobs = [at(0.5, 8, "a"), at(0.50004, 9, "b"), at(0.6, 12, "c"), at(0.7, 7, "d")];
  expect(bestOf(jobs, perplexity)).toEqual(new Set(["a"]));
});

it("has a row for each task, with the interval of 95 %", () => {
  const jobs = [job("a", { acc: { arc: 0.6 }, acc_stderr: { arc: 0.01 } }), job("b", {})];
  const [task] = taskMetrics(jobs);
  expect(task).toMatchObject({ name: "acc.arc", label: "arc" });
  expect(jobs.map((one) => metricOf(one, "acc.arc"))).toEqual([0.6, null]);
  expect(jobs.map((one) => intervalOf(one, "acc.arc"))).toEqual(["± 2 %", null]);
});

it("has rows for a benchmark, of which no speed is the best", () => {
  const jobs = [0.9, 1.1].map((ratio) =>
    job(String(ratio), { sparsity: 0.5, speed: { decode_ratio: ratio } }),
  );
  const decode = METRICS.find(({ name }) => name === "speed.decode_ratio");
  if (!decode) throw new Error("there is a row");
  expect(jobs.map((one) => metricOf(one, decode.name))).toEqual([0.9, 1.1]);
  expect(bestOf(jobs, decode)).toEqual(new Set());
});

it("has the interval of a perplexity, where there is one", () => {
  const intervals = { pruned_perplexity: [33.111, 35.333], perplexity_ratio: [1, null] };
  const jobs = [job("a", { pruned_perplexity: 34.2, intervals }), job("b", {})];
  expect(jobs.map((one) => intervalOf(one, "pruned_perplexity"))).toEqual([
    "(33.11 to 35.33)",
    null,
  ]);
  expect(jobs.map((one) => intervalOf(one, "perplexity_ratio"))).toEqual([null, null]);
});

it("leaves out jobs without figures by name, and goes on with the others", () => {
  const found = [
    { id: "a", job: makeJob({ id: "job_aaaaaaaa", name: "running one" }), isUnknown: false },
    { id: "b", job: job("job_bbbbbbbb", {}), isUnknown: false },
    { id: "c", job: undefined, isUnknown: true },
    { id: "d", job: job("job_dddddddd", {}), isUnknown: false },
  ];
  const { entries, leftOut } = divide(found, null);
  expect(entries.map(({ style, isBaseline }) => [style, isBaseline])).toEqual([
    [1, true],
    [3, false],
  ]);
  expect(leftOut.map(({ name, reason }) => `${name}: ${reason}`)).toEqual([
    "running one aaaaaaaa: running, without figures",
    "c: there is no such job",
  ]);
  expect(divide(found, "job_dddddddd").entries.map((one) => one.isBaseline)).toEqual([false, true]);
});

it("keeps its state in the address", () => {
  const address = "/compare?ids=a,b&baseline=b&all&metric=seconds&log=error,perplexity";
  const view = viewOf(address.split("?")[1] ?? "");
  expect(view).toMatchObject({ ids: ["a", "b"], baseline: "b", showsAll: true, metric: "seconds" });
  expect(addressOf(view)).toBe(address);
  expect(addressOf({ ...view, ids: ["a"], log: [] })).toBe("/compare?ids=a&all&metric=seconds");
  expect(addressOf(viewOf(""))).toBe("/compare");
});

it("marks the best, all of them at a tie of some, none at a tie of all", () => {
  if (!perplexity) throw new Error("there are metrics");
  const at = (...values: (number | undefined)[]) =>
    values.map((value, n) => job(String(n), { pruned_perplexity: value }));
  expect(bestOf(at(9, 8, 8), perplexity)).toEqual(new Set(["1", "2"]));
  expect(bestOf(at(8, 8), perplexity)).toEqual(new Set());
  expect(bestOf(at(8, undefined), perplexity)).toEqual(new Set());
});
