import { expect, it } from "vitest";
import {
  boundsOf,
  boundsToText,
  confidenceInWords,
  confidenceOf,
  gateInWords,
  gateOf,
  gateToText,
  hasInterval,
  hasLimits,
  intervalInWords,
  taskMetricNames,
  withoutNulls,
} from "./gate.ts";

it("is formatted as text and parsed back", () => {
  const gate = { max: { perplexity_ratio: 1.1, "recovery.steps": 9 }, min: { sparsity: 0.5 } };
  const text = "perplexity_ratio <= 1.1, recovery.steps <= 9, sparsity >= 0.5";
  expect(gateToText(gate)).toBe(text);
  expect(gateOf(text)).toEqual(gate);
  expect(boundsToText(boundsOf(text))).toBe(text);
  expect(hasLimits(text)).toBe(true);
  expect(gateToText(null)).toBe("");
  expect(gateToText({ max: { sparsity: 1 }, min: null })).toBe("sparsity <= 1");
});

it("keeps an incomplete bound for the service to refuse", () => {
  const text = boundsToText([{ metric: "perplexity_ratio", side: "max", limit: "" }]);
  expect(boundsOf(text)).toEqual([{ metric: "perplexity_ratio", side: "max", limit: "" }]);
  expect(gateOf(text)).toEqual({ max: { perplexity_ratio: "" } });
  expect(hasLimits(text)).toBe(false);
});

it("keeps two limits of one metric on one side for the service to refuse", () => {
  expect(gateOf("sparsity >= 0.5, sparsity >= 60 %").min).toEqual({ sparsity: "0.5 and 60 %" });
  expect(gateOf("sparsity >= 0.5, sparsity >= ").min).toEqual({ sparsity: "" });
  expect(gateOf("sparsity >= 0.5, sparsity <= 0.6")).toEqual({
    min: { sparsity: 0.5 },
    max: { sparsity: 0.6 },
  });
});

it("has a confidence beside the bounds", () => {
  const text = "acc_drop.boolq <= 0.02, confidence = 0.95";
  const gate = { max: { "acc_drop.boolq": 0.02 }, confidence: 0.95 };
  expect(gateOf(text)).toEqual(gate);
  expect(gateToText(gate)).toBe(text);
  expect(gateToText({ ...gate, confidence: null })).toBe("acc_drop.boolq <= 0.02");
  expect(boundsToText(boundsOf(text), confidenceOf(text))).toBe(text);
  expect(gateOf("sparsity >= 1, confidence = 95 %").confidence).toBe(0.95);
  expect(withoutNulls({ max: {}, confidence: null })).toEqual({ max: {} });
});

it("offers the accuracies of the tasks that a job names", () => {
  expect(taskMetricNames("boolq, local:own.jsonl")).toEqual([
    ...["acc.boolq", "acc_drop.boolq"],
    ...["acc.local:own.jsonl", "acc_drop.local:own.jsonl"],
  ]);
  const metrics = ["acc.boolq", "dense_acc.boolq", "sparsity", "ranking.pruned_ranker"];
  expect(metrics.map(hasInterval)).toEqual([true, false, false, true]);
});

it("is described with the names of its metrics, shares in percent and sizes with units", () => {
  const max = { perplexity_ratio: 1.1, "acc_drop.local:a.b": 0.02, weights_bytes: 3.5e9 };
  expect(gateInWords({ max, min: { sparsity: 0.5 }, confidence: 0.95 })).toBe(
    "perplexity ratio ≤ 1.1, accuracy lost on local:a.b ≤ 0.02, weights bytes ≤ 3.5 GB, " +
      "sparsity ≥ 50 %, with 95 % confidence",
  );
  expect(gateInWords({ max: { pruned_perplexity: 2000 } })).toBe("perplexity ≤ 2,000");
});

it("describes confidence and interval", () => {
  expect(confidenceInWords(0.95)).toBe(", with 95 % confidence");
  expect(confidenceInWords(null)).toBe("");
  const interval = { low: 0.0304, high: 0.0696, confidence: 0.95 };
  expect(intervalInWords(interval)).toBe(" (95 % interval 0.0304 to 0.0696)");
  expect(intervalInWords(null)).toBe("");
});

it("takes a sparsity in percent", () => {
  expect(gateOf("sparsity >= 50 %")).toEqual({ min: { sparsity: 0.5 } });
});
