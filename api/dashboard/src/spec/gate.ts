/** The text of a gate, one bound after the other: `perplexity_ratio <= 1.1, sparsity >= 0.5`. */

import { shareOf } from "./share.ts";

export type Side = "max" | "min";

/** A bound as it is edited; the limit may be incomplete. */
export interface Bound {
  metric: string;
  side: Side;
  limit: string;
}

type Limits = Record<string, unknown>;

const SIGNS: Record<Side, string> = { max: "<=", min: ">=" };

export function boundsOf(text: string): Bound[] {
  return text
    .split(",")
    .filter((part) => part.trim() !== "")
    .map((part) => {
      const side = part.includes(SIGNS.min) ? "min" : "max";
      const [metric = "", limit = ""] = part.split(SIGNS[side]);
      return { metric: metric.trim(), side, limit: limit.trim() };
    });
}

export function boundsToText(bounds: Bound[]): string {
  return bounds
    .map(({ metric, side, limit }) => `${metric} ${SIGNS[side]} ${limit.replaceAll(",", "")}`)
    .join(", ");
}

/** Write a gate as text; any other value is null. */
export function gateToText(gate: unknown): string {
  const { max = {}, min = {} } = (gate ?? {}) as Partial<Record<Side, Limits>>;
  const of = (side: Side, limits: Limits) =>
    Object.entries(limits).map(([metric, limit]) => ({ metric, side, limit: String(limit) }));
  return boundsToText([...of("max", max), ...of("min", min)]);
}

/** Parse a gate; a limit that is no number stays text, so that the service refuses it. */
export function gateOf(text: string): Partial<Record<Side, Limits>> {
  const gate: Partial<Record<Side, Limits>> = {};
  for (const { metric, side, limit } of boundsOf(text)) {
    gate[side] = { ...gate[side], [metric]: limitOf(metric, limit) };
  }
  return gate;
}

function limitOf(metric: string, text: string): unknown {
  if (metric === "sparsity" || metric === "coverage") return shareOf(text);
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}
