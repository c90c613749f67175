import { expect, it } from "vitest";
import { boundsOf, boundsToText, gateOf, gateToText } from "./gate.ts";

it("is formatted as text and parsed back", () => {
  const gate = { max: { perplexity_ratio: 1.1, "recovery.steps": 9 }, min: { sparsity: 0.5 } };
  const text = "perplexity_ratio <= 1.1, recovery.steps <= 9, sparsity >= 0.5";
  expect(gateToText(gate)).toBe(text);
  expect(gateOf(text)).toEqual(gate);
  expect(boundsToText(boundsOf(text))).toBe(text);
  expect(gateToText(null)).toBe("");
});

it("keeps an incomplete bound for the service to refuse", () => {
  const text = boundsToText([{ metric: "perplexity_ratio", side: "max", limit: "" }]);
  expect(boundsOf(text)).toEqual([{ metric: "perplexity_ratio", side: "max", limit: "" }]);
  expect(gateOf(text)).toEqual({ max: { perplexity_ratio: "" } });
});

it("takes a sparsity in percent", () => {
  expect(gateOf("sparsity >= 50 %")).toEqual({ min: { sparsity: 0.5 } });
});
