/** The metrics of a block that charts show. */

import { type Block, layerName } from "../api/jobs.ts";
import { blockNumber } from "../format.ts";
import type { Axis, Dot, Series } from "./series.ts";

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

/** Return the metrics that some block has, not only as 0. */
export function measured(blocks: Block[]): BlockMetric[] {
  const names = Object.keys(BLOCK_METRICS) as BlockMetric[];
  return names.filter((name) => blocks.some((block) => block[name]));
}

/** Return a line for each matrix, routed experts aside: its error in each block that has it. */
export function matrixErrors(blocks: Block[]): Series[] {
  const lines = new Map<string, Dot[]>();
  for (const { index, layers } of blocks) {
    for (const layer of layers) {
      if (layer.expert !== null || typeof layer.error !== "number") continue;
      const name = layerName(layer).replace(/\.weight\b/, "");
      lines.set(name, [...(lines.get(name) ?? []), { x: blockNumber(index), y: layer.error }]);
    }
  }
  return [...lines].map(([name, dots], style) => ({ name, dots, kind: "line", style }));
}
