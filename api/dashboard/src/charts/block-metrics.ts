/** The metrics of a block that charts show. */

import type { Block } from "../api/jobs.ts";
import { blockNumber } from "../format.ts";
import type { Axis, Dot } from "./series.ts";

export const BLOCK: Axis = { title: "Block", unit: "whole" };

export const BLOCK_METRICS = {
  error: { title: "Error", unit: "number" },
  seconds: { title: "Seconds", unit: "number" },
  sparsity: { title: "Sparsity", unit: "percent" },
} as const satisfies Record<string, Axis>;

export type BlockMetric = keyof typeof BLOCK_METRICS;

/** Return a dot for each block that has the metric. */
export function dotsOf(blocks: Block[], metric: BlockMetric): Dot[] {
  return blocks.flatMap(({ index, [metric]: y }) =>
    y === null ? [] : [{ x: blockNumber(index), y }],
  );
}

/** Return the metrics that some block has. */
export function measured(blocks: Block[]): BlockMetric[] {
  const names = Object.keys(BLOCK_METRICS) as BlockMetric[];
  return names.filter((name) => blocks.some((block) => block[name] !== null));
}
