import { expect, it } from "vitest";
import type { Point, Sweep } from "../../api/sweeps.ts";
import { axesOf } from "./parallel-axes.ts";
import { groupsOf, nameOf, rulesOf, tradeoffsOf, variedFields } from "./points.ts";
import { withGate } from "./tried-gate.tsx";

function point(varied: Record<string, unknown>, perplexity: number | null = 20): Point {
  const measured = {
    reduction: 0.5,
    sparsity: 0.5,
    removed: null,
    perplexity,
    perplexity_ratio: 1,
  };
  const state = { status: "succeeded", progress: 1, verdict: "none", on_front: false } as const;
  return { job_id: "job", varied, ...state, ...measured };
}

it("names a point by its values, and counts only fields that differ", () => {
  const points = [
    point({ sparsity: 0.5, pattern: null, method: "wanda" }),
    point({ sparsity: 0.5, pattern: "2:4", method: "wanda" }),
  ];
  expect(points.map(nameOf)).toEqual(["50 %, no pattern, wanda", "50 %, 2:4, wanda"]);
  expect(variedFields(points)).toEqual(["pattern"]);
  expect(points.map(groupsOf(points))).toEqual(Array(2).fill({ series: "Points", style: 0 }));
});

it("has a colour for each method, or else for each value of another field", () => {
  const byMethod = [point({ solver: "none", method: "a" }), point({ solver: "admm", method: "b" })];
  expect(byMethod.map(groupsOf(byMethod)).map(({ style }) => style)).toEqual([0, 1]);
  const bySolver = [point({ solver: "none" }), point({ solver: "admm" }), point({}, null)];
  expect(tradeoffsOf(bySolver).map(({ series }) => series)).toEqual(["none", "admm"]);
});

it("places points by their reduction", () => {
  const zeros = point({ ratio: 0.1 });
  const smaller = { ...point({ ratio: 0.2 }), sparsity: 0, removed: 0.25, reduction: 0.25 };
  expect(tradeoffsOf([zeros, smaller]).map(({ x, series }) => [x, series])).toEqual([
    [0.5, "Points"],
    [0.25, "Points"],
  ]);
});

it("draws the dense model and each bound of the gate that the chart has an axis for", () => {
  const dense = { perplexity: 20, measured: 1, shared: 0 };
  const gate = {
    max: { perplexity_ratio: 1.1, pruned_perplexity: 30, seconds: 9 },
    min: { sparsity: 0.4 },
  };
  const points = [point({})];
  expect(rulesOf({ dense, gate, points }).map(({ axis, at, name }) => [axis, at, name])).toEqual([
    ["y", 20, "dense 20.0"],
    ["y", 22, "gate × 1.1"],
    ["y", 30, "gate 30"],
    ["x", 0.4, "gate: sparsity 40 %"],
  ]);
  const unknown = {
    dense: { ...dense, perplexity: null },
    points: [{ ...point({}), sparsity: 0 }],
  };
  expect(rulesOf({ ...unknown, gate: { max: {}, min: gate.min } })).toEqual([]);
});

it("names the sparsest point within a gate that is tried", () => {
  const at = (job_id: string, sparsity: number, ratio: number): Point => {
    const figures = { reduction: sparsity, perplexity: 20 * ratio, perplexity_ratio: ratio };
    return { ...point({ sparsity }), job_id, ...figures };
  };
  const points = [at("a", 0.4, 1), at("b", 0.5, 1.1), at("c", 0.5001, 1.05), at("d", 0.6, 2)];
  const sweep = { points, gate: null, best: null } as unknown as Sweep;
  expect(withGate(sweep, 1.1)).toMatchObject({
    best: "c",
    gate: { max: { perplexity_ratio: 1.1 } },
  });
  expect(withGate(sweep, 0.9).best).toBeNull();
  expect(withGate(sweep, null)).toBe(sweep);
  const own = { ...sweep, gate: { max: { perplexity_ratio: 3 }, min: {} }, best: "d" };
  expect(withGate(own, 1.1)).toBe(own);
});

it("has an axis for each field, and the perplexity by its ratio", () => {
  const points = [
    point({ sparsity: 0.4, method: "a" }, 10),
    point({ sparsity: 0.5, method: "b" }, 100),
    point({ sparsity: 0.6, method: "a" }, 1000),
  ];
  const axes = axesOf(points);
  expect(axes.map(({ name }) => name)).toEqual(["sparsity", "method", "perplexity"]);
  const places = axes.map((axis) => points.map((one) => axis.placeOf(one)));
  expect(places[0]).toEqual([0, 0.5, 1]);
  expect(places[1]).toEqual([0, 1, 0]);
  expect(places[2]?.[1]).toBeCloseTo(0.5);
});
