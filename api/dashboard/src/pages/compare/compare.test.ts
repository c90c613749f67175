import { expect, it } from "vitest";
import { plainFields } from "../../spec/fields.ts";
import { makeJob, makeSpec } from "../../testing.ts";
import { addressOf, logOf, type View, viewOf } from "./address.ts";
import {
  bestOf,
  changeOf,
  fromDense,
  intervalOf,
  METRICS,
  metricOf,
  sparsestOf,
  specRows,
  taskMetrics,
  textMetrics,
} from "./compare.ts";
import { divide } from "./entries.ts";

const job = (id: string, result: object, spec = {}) =>
  makeJob({
    ...{ id, status: "succeeded", spec: makeSpec(spec), result: result as never },
    reduction: (result as { sparsity?: number }).sparsity ?? null,
  });
const perplexity = METRICS[0];
/** A perplexity whose ratio to the dense model's is known to 1 %. */
const measured = (value: number) => ({
  pruned_perplexity: value,
  intervals: { perplexity_ratio: [(value / 8) * 0.99, (value / 8) * 1.01] },
});

const FIELDS = plainFields(makeSpec());

it("marks the fields that differ", () => {
  const rows = specRows([job("a", {}), job("b", {}, { sparsity: 0.6, skip: ["x"] })], FIELDS);
  expect(rows.filter((row) => row.differs).map(({ name, values }) => [name, ...values])).toEqual([
    ["sparsity", 0.5, 0.6],
    ["skip", [], ["x"]],
  ]);
});

it("shows the fields that differ first", () => {
  const rows = specRows([job("a", {}), job("b", {}, { skip: ["x"] })], FIELDS);
  expect(rows[0]?.name).toBe("skip");
  expect(rows.length).toBeGreaterThan(5);
});

it("marks the best only among jobs of the same reduction", () => {
  if (!perplexity) throw new Error("there are metrics");
  const at = (sparsity: number, value: number, id: string) =>
    job(id, { sparsity, ...measured(value) });
  const jobs = [at(0.5, 8, "a"), at(0.50004, 9, "b"), at(0.6, 12, "c"), at(0.7, 7, "d")];
  expect(bestOf(jobs, perplexity)).toEqual(new Set(["a"]));
});

it("compares the reductions of methods that write zeros and of those that write fewer weights", () => {
  if (!perplexity) throw new Error("there are metrics");
  const made = (id: string, reduction: number, value: number) =>
    makeJob({ ...job(id, { sparsity: 0, ...measured(value) }), reduction });
  const jobs = [made("neurons", 0.22, 8), made("depth", 0.175, 9), made("gradual", 0.13, 7)];
  expect(bestOf(jobs, perplexity)).toEqual(new Set());
  expect(jobs.map((one) => metricOf(one, "reduction"))).toEqual([0.22, 0.175, 0.13]);
});

it("has a row for each task, with the interval of 95 %", () => {
  const jobs = [job("a", { acc: { arc: 0.6 }, acc_stderr: { arc: 0.01 } }), job("b", {})];
  const [task] = taskMetrics(jobs);
  expect(task).toMatchObject({ name: "acc.arc", label: "", on: "arc" });
  expect(jobs.map((one) => metricOf(one, "acc.arc"))).toEqual([0.6, null]);
  expect(jobs.map((one) => intervalOf(one, "acc.arc"))).toEqual(["± 2.0 %", null]);
});

it("has rows for each text, whose best are those within its interval", () => {
  const jobs = [0.2, 0.21, 0.3].map((kl) =>
    job(String(kl), { sparsity: 0.5, kl: { "a.txt": kl }, kl_stderr: { "a.txt": 0.01 } }),
  );
  const metrics = textMetrics(jobs);
  expect(metrics.map(({ name }) => name)).toEqual([
    ...["text_ratio.a.txt", "kl.a.txt", "agreement.a.txt"],
  ]);
  const [, kl] = metrics;
  if (!kl) throw new Error("there is a row");
  expect(kl).toMatchObject({ label: "Divergence on ", on: "a.txt" });
  expect(jobs.map((one) => metricOf(one, kl.name))).toEqual([0.2, 0.21, 0.3]);
  expect(bestOf(jobs, kl)).toEqual(new Set(["0.2", "0.21"]));
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
  expect(jobs.map((one) => intervalOf(one, "pruned_perplexity"))).toEqual(["(33.1 to 35.3)", null]);
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

it("keeps the axis of a chart in the address only if it was chosen", () => {
  let view = viewOf("");
  const change = (changes: Partial<View>) => {
    view = { ...view, ...changes };
  };
  expect(logOf("error", [view, change])[0]).toBeNull();
  for (const isLog of [false, true]) {
    logOf("error", [view, change])[1](isLog);
    expect(logOf("error", [viewOf(addressOf(view).split("?")[1] ?? ""), change])[0]).toBe(isLog);
  }
});

it("marks the best, and what differs from it by chance, if another is worse", () => {
  if (!perplexity) throw new Error("there are metrics");
  const at = (...values: number[]) =>
    values.map((value, n) => job(String(n), { sparsity: 0.5, ...measured(value) }));
  expect(bestOf(at(9, 8, 8.05), perplexity)).toEqual(new Set(["1", "2"]));
  expect(bestOf(at(8, 8.05), perplexity)).toEqual(new Set());
  const unknown = [8, 9].map((value, n) => job(String(n), { pruned_perplexity: value }));
  expect(bestOf(unknown, perplexity)).toEqual(new Set());
});

it("marks no accuracy within chance, and says its change in points, with interval and p", () => {
  const at = (id: string, acc: number, dropError: number) =>
    job(id, {
      ...{ sparsity: 0.5, acc: { arc: acc }, dense_acc: { arc: 0.217 }, mcnemar_p: { arc: 0.6 } },
      ...{ acc_stderr: { arc: 0.055 }, acc_drop_stderr: { arc: dropError } },
    });
  const [low, high] = [at("low", 0.183, 0.04), at("high", 0.233, 0.03)];
  const [task] = taskMetrics([low, high]);
  if (!task) throw new Error("there is a task");
  expect(bestOf([low, high], task)).toEqual(new Set());
  expect(changeOf(low, high, task)).toBe("+5.0 points ± 9.8");
  expect(fromDense(high, task.name)).toBe("+1.6 points ± 5.9 from dense, p 0.6");
  const sure = [at("low", 0.183, 0.01), at("high", 0.233, 0.01)];
  expect(bestOf(sure, task)).toEqual(new Set(["high"]));
});

it("has the intervals of speed ratios, and the best where they allow it", () => {
  const at = (id: string, ratio: number, half: number) =>
    job(id, {
      sparsity: 0.5,
      speed: { decode_ratio: ratio, intervals: { decode_ratio: [ratio - half, ratio + half] } },
    });
  const decode = METRICS.find(({ name }) => name === "speed.decode_ratio");
  if (!decode) throw new Error("there is a row");
  const jobs = [at("a", 0.9, 0.02), at("b", 1.1, 0.05)];
  expect(jobs.map((one) => intervalOf(one, decode.name))).toEqual([
    "(0.88 to 0.92)",
    "(1.05 to 1.15)",
  ]);
  expect(bestOf(jobs, decode)).toEqual(new Set(["b"]));
  expect(bestOf([at("a", 1, 0.2), at("b", 1.1, 0.2)], decode)).toEqual(new Set());
});

it("has the seconds of all phases, and no time is the best", () => {
  const phase = (started_at: string, ended_at: string | null) => ({ started_at, ended_at });
  const at = (id: string, minutes: string) => ({
    ...job(id, { sparsity: 0.5, prune_seconds: 81 }),
    phases: [
      phase("2026-01-05T09:00:00Z", "2026-01-05T09:01:21Z"),
      phase("2026-01-05T09:01:21Z", `2026-01-05T09:0${minutes}:41Z`),
    ],
  });
  const jobs = [at("a", "1"), at("b", "6")];
  expect(jobs.map((one) => metricOf(one, "phases"))).toEqual([101, 401]);
  for (const name of ["phases", "prune_seconds"]) {
    const time = METRICS.find((one) => one.name === name);
    expect(time && bestOf(jobs, time)).toEqual(new Set());
  }
});

it("names the most reduced job that has passed its gate", () => {
  const at = (id: string, reduction: number, value: number, verdict: string) =>
    makeJob({ id, reduction, verdict, result: { pruned_perplexity: value } } as never);
  const jobs = [
    ...[at("a", 0.5, 9, "pass"), at("b", 0.6001, 12, "pass"), at("c", 0.6, 11, "pass")],
    ...[at("d", 0.7, 20, "fail"), at("e", 0.8, 8, "none")],
  ];
  expect(sparsestOf(jobs)?.id).toBe("c");
  expect(sparsestOf(jobs.slice(3))).toBeUndefined();
});
