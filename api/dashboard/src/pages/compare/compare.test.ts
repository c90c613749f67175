import { expect, it } from "vitest";
import { makeJob, makeSpec } from "../../testing.ts";
import { bestOf, METRICS, specRows } from "./compare.ts";

const job = (id: string, result: object, spec = {}) =>
  makeJob({ id, result: result as never, spec: makeSpec(spec) });
const perplexity = METRICS[0];

it("marks the fields that differ", () => {
  const rows = specRows([job("a", {}), job("b", {}, { sparsity: 0.6, skip: ["x"] })]);
  expect(rows.filter((row) => row.differs).map(({ name, values }) => [name, ...values])).toEqual([
    ["sparsity", "0.5", "0.6"],
    ["skip", "", "x"],
  ]);
});

it("marks the best, all of them at a tie of some, none at a tie of all", () => {
  if (!perplexity) throw new Error("there are metrics");
  const at = (...values: (number | undefined)[]) =>
    values.map((value, n) => job(String(n), { pruned_perplexity: value }));
  expect(bestOf(at(9, 8, 8), perplexity)).toEqual(new Set(["1", "2"]));
  expect(bestOf(at(8, 8), perplexity)).toEqual(new Set());
  expect(bestOf(at(8, undefined), perplexity)).toEqual(new Set());
});
