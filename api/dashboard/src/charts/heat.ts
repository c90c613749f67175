/** The rows and shades of the heat map. */

import type { Block } from "../api/jobs.ts";
import { blockNumber, duration, figure, percent } from "../format.ts";
import { classOf, extent, linear, logarithmic } from "./scale.ts";

export const SHADES = 7;

export interface HeatRow {
  name: string;
  shades: (number | null)[];
  low: string;
  high: string;
}

interface Measure {
  name: string;
  of: (block: Block) => number | null;
  format: (value: number | null) => string;
  byRatio: boolean;
}

const MEASURES: Measure[] = [
  { name: "Sparsity", of: (block) => block.sparsity, format: (v) => percent(v), byRatio: false },
  { name: "Error", of: (block) => block.error, format: figure, byRatio: true },
  { name: "Seconds", of: (block) => block.seconds, format: duration, byRatio: false },
];

/** Return the rows of the measured metrics; blocks without a report have no shade. */
export function heatRows(blocks: Block[], total: number): HeatRow[] {
  return MEASURES.flatMap(({ name, of, format, byRatio }) => {
    const bounds = extent(blocks.map(of));
    if (bounds === null) return [];
    const [low, high] = bounds;
    const scale = byRatio && low > 0 ? logarithmic(low, high) : linear(low, high);
    const shades: (number | null)[] = Array(total).fill(null);
    for (const block of blocks) {
      const value = of(block);
      if (value !== null) shades[block.index] = classOf(scale(value), SHADES);
    }
    return [{ name, shades, low: format(low), high: format(high) }];
  });
}

export function blockInWords(block: Block | undefined, index: number): string {
  if (block === undefined) return `Block ${blockNumber(index)}: not pruned yet`;
  const parts = MEASURES.filter(({ of }) => of(block) !== null).map(
    ({ name, of, format }) => `${name.toLowerCase()} ${format(of(block))}`,
  );
  return `Block ${blockNumber(index)}: ${parts.join(", ")}`;
}
