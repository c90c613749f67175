/**
 * The text of a gate, one bound after the other, and then its confidence:
 * `acc_drop.boolq <= 0.02, sparsity >= 0.5, confidence = 0.95`.
 */

import { bytesAsSet, count, figure, percent } from "../format.ts";
import { shareOf } from "./share.ts";

/** The metrics that are shares, which can be written as 50 %. */
const SHARES = new Set(["reduction", "sparsity", "coverage"]);

export type Side = "max" | "min";

/** A bound as it is edited; the limit may be incomplete. */
export interface Bound {
  metric: string;
  side: Side;
  limit: string;
}

type Limits = Record<string, unknown>;
type Gate = Partial<Record<Side, Limits | null>> & { confidence?: unknown };

/** A confidence interval of a metric. */
interface Interval {
  low: number;
  high: number;
  confidence: number;
}

const CONFIDENCE = "confidence =";
/** The metrics of a task whose intervals a confidence applies to; perplexities have them, too. */
const ESTIMATES = ["acc", "acc_drop"];

const SIGNS: Record<Side, string> = { max: "<=", min: ">=" };

export function boundsOf(text: string): Bound[] {
  return partsOf(text)
    .filter((part) => !part.startsWith(CONFIDENCE))
    .map((part) => {
      const side = part.includes(SIGNS.min) ? "min" : "max";
      const [metric = "", limit = ""] = part.split(SIGNS[side]);
      return { metric: metric.trim(), side, limit: limit.trim() };
    });
}

/** Whether every bound has a limit. */
export function hasLimits(text: string): boolean {
  return boundsOf(text).every(({ limit }) => limit !== "");
}

/** Return the confidence as it is edited; empty without one. */
export function confidenceOf(text: string): string {
  const part = partsOf(text).find((one) => one.startsWith(CONFIDENCE));
  return part?.slice(CONFIDENCE.length).trim() ?? "";
}

function partsOf(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean);
}

export function boundsToText(bounds: Bound[], confidence = ""): string {
  const parts = bounds.map(({ metric, side, limit }) => `${metric} ${SIGNS[side]} ${plain(limit)}`);
  return [...parts, ...(confidence === "" ? [] : [`${CONFIDENCE} ${plain(confidence)}`])].join(
    ", ",
  );
}

function plain(text: string): string {
  return text.replaceAll(",", "");
}

/** Whether a confidence applies to the metric: to that of a task, of a ranker or of a text. */
export function hasInterval(metric: string): boolean {
  const names = [...ESTIMATES, "ranking", "text_ratio", "kl", "agreement"];
  return metric.includes("perplexity") || names.some((name) => metric.startsWith(`${name}.`));
}

/** Return the metrics that a gate can bound for the tasks that a job names. */
export function taskMetricNames(tasks: string): string[] {
  return partsOf(tasks).flatMap((task) => ESTIMATES.map((metric) => `${metric}.${task}`));
}

/** Leave out what a gate does not set. */
export function withoutNulls(gate: object): Gate {
  return Object.fromEntries(Object.entries(gate).filter(([, part]) => part !== null));
}

/** Name a metric: "perplexity ratio", "accuracy of boolq". */
export function metricInWords(metric: string): string {
  const [group = "", ...task] = metric.split(".");
  const words = task.length > 0 ? METRICS_OF_TASKS[group] : undefined;
  if (words !== undefined) return `${words} ${task.join(".")}`;
  return metric === "pruned_perplexity" ? "perplexity" : metric.replaceAll(/[._]/g, " ");
}

const HELP: Record<string, string> = {
  perplexity_ratio:
    "Perplexity ratio: the pruned model’s perplexity divided by the dense one’s; with 1.1, it predicts the text 10 % worse.",
  pruned_perplexity: "Perplexity: how badly the pruned model predicts the text; lower is better.",
  reduction: "Reduction: how much of the model is saved, by zeros, removed parts or fewer bits.",
  sparsity: "Sparsity: which share of the weights is zero.",
  acc: "Accuracy: the share of right answers of the pruned model, from 0 to 1.",
  acc_drop:
    "Accuracy lost: that of the dense model less that of the pruned one; 0.02 are 2 points.",
};

/** Explain a metric that is often bounded. */
export function metricHelp(metric: string): string | undefined {
  return HELP[metric] ?? HELP[metric.split(".")[0] ?? ""];
}

const METRICS_OF_TASKS: Record<string, string> = {
  acc: "accuracy of",
  acc_drop: "accuracy lost on",
};

/** Describe a gate: "perplexity ratio ≤ 1.1, sparsity ≥ 50 %, with 95 % confidence". */
export function gateInWords({
  max,
  min,
  confidence,
}: {
  max?: Record<string, number> | null;
  min?: Record<string, number> | null;
  confidence?: number | null;
}): string {
  const bounds = (limits: Record<string, number> | null | undefined, sign: string) =>
    Object.entries(limits ?? {}).map(
      ([metric, limit]) => `${metricInWords(metric)} ${sign} ${limitInWords(metric, limit)}`,
    );
  return [...bounds(max, "≤"), ...bounds(min, "≥")].join(", ") + confidenceInWords(confidence);
}

function limitInWords(metric: string, limit: number): string {
  if (SHARES.has(metric)) return percent(limit, 2);
  if (metric.endsWith("_bytes")) return bytesAsSet(limit);
  return limit >= 1000 ? count(limit) : String(limit);
}

/** Describe the confidence of a gate: ", with 95 % confidence". */
export function confidenceInWords(confidence: number | null | undefined): string {
  return confidence == null ? "" : `, with ${percent(confidence, 2)} confidence`;
}

/** Describe the interval that violates a bound: " (95 % interval 0.03 to 0.07)". */
export function intervalInWords(interval: Interval | null | undefined): string {
  if (interval == null) return "";
  const { low, high, confidence } = interval;
  return ` (${percent(confidence, 2)} interval ${figure(low)} to ${figure(high)})`;
}

/** Write a gate as text; any other value is null. */
export function gateToText(gate: unknown): string {
  const { max, min, confidence } = (gate ?? {}) as Gate;
  const of = (side: Side, limits?: Limits | null) =>
    Object.entries(limits ?? {}).map(([metric, limit]) => ({ metric, side, limit: String(limit) }));
  const bounds = [...of("max", max), ...of("min", min)];
  return boundsToText(bounds, confidence == null ? "" : String(confidence));
}

/**
 * Parse a gate; a limit that is no number stays text, so that the service refuses it, and so do two
 * limits of one metric on one side.
 */
export function gateOf(text: string): Gate {
  const gate: Gate = {};
  for (const { metric, side, limit } of boundsOf(text)) {
    const earlier = gate[side]?.[metric];
    const value = earlier === undefined ? limitOf(metric, limit) : bothOf(earlier, limit);
    gate[side] = { ...gate[side], [metric]: value };
  }
  const confidence = confidenceOf(text);
  return confidence === "" ? gate : { ...gate, confidence: shareOf(confidence) };
}

function bothOf(limit: unknown, other: string): string {
  return limit === "" || other === "" ? "" : `${limit} and ${other}`;
}

function limitOf(metric: string, text: string): unknown {
  if (SHARES.has(metric)) return shareOf(text);
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}
