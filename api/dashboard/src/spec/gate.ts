/**
 * The text of a gate, one bound after the other, and then its confidence:
 * `acc_drop.boolq <= 0.02, sparsity >= 0.5, confidence = 0.95`.
 */

import { figure, percent } from "../format.ts";
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
type Gate = Partial<Record<Side, Limits>> & { confidence?: unknown };

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
  const { max = {}, min = {}, confidence } = (gate ?? {}) as Gate;
  const of = (side: Side, limits: Limits) =>
    Object.entries(limits).map(([metric, limit]) => ({ metric, side, limit: String(limit) }));
  const bounds = [...of("max", max), ...of("min", min)];
  return boundsToText(bounds, confidence == null ? "" : String(confidence));
}

/** Parse a gate; a limit that is no number stays text, so that the service refuses it. */
export function gateOf(text: string): Gate {
  const gate: Gate = {};
  for (const { metric, side, limit } of boundsOf(text)) {
    gate[side] = { ...gate[side], [metric]: limitOf(metric, limit) };
  }
  const confidence = confidenceOf(text);
  return confidence === "" ? gate : { ...gate, confidence: shareOf(confidence) };
}

function limitOf(metric: string, text: string): unknown {
  if (SHARES.has(metric)) return shareOf(text);
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}
