import { expect, it } from "vitest";
import { makeJob, makeSpec } from "../../testing.ts";
import { bestOf, incomparable, METRICS, specRows } from "./compare.ts";

const job = (id: string, result: object, spec = {}) =>
  makeJob({ id, result: result as never, spec: makeSpec(spec) });
const perplexity = METRICS[0];

it("tells which fields differ", () => {
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

it("refuses to compare what was measured on other tokens or in another way", () => {
  const measured = { token_ids_sha256: "a", window: 512, stride: 512, dtype: "float32" };
  const with_ = (change: object) => [
    job("a", { protocol: measured }),
    job("b", { protocol: { ...measured, ...change } }),
  ];
  expect(incomparable(with_({}))).toBeNull();
  expect(incomparable(with_({ token_ids_sha256: "b" }))).toMatch("tokens");
  expect(incomparable(with_({ stride: 256 }))).toMatch("windows");
  expect(incomparable(with_({ dtype: "bfloat16" }))).toMatch("precisions");
  expect(incomparable([job("a", {}), job("b", {})])).toBeNull();
});
