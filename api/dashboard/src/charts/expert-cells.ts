/** The cells of the strip of experts: their shapes, shades and texts. */

import type { Block, Expert, ExpertLayer } from "../api/jobs.ts";
import { blockNumber, count, figure } from "../format.ts";
import { SHADES } from "./heat.ts";
import { classOf, extent, logarithmic } from "./scale.ts";

export const EXPERT_METRICS = { score: "Score", tokens: "Tokens" } as const;
export type ExpertMetric = keyof typeof EXPERT_METRICS;

/** The experts of one block. */
export interface ExpertRow extends ExpertLayer {
  index: number;
  name: string;
}

/** The cells of one look in a single path, so that thousands of experts are few elements. */
export interface Cells {
  isKept: boolean;
  shade: number;
  path: string;
}

/** Where a cell begins below the top of its row, and its height: those that stay are higher. */
const KEPT = [0.1, 0.8];
const REMOVED = [0.6, 0.3];
/** With more experts, a gap between them would be wider than what is drawn. */
const MOST_WITH_GAPS = 64;

export function expertRows(blocks: Block[]): ExpertRow[] {
  return blocks.flatMap(({ index, name, experts }) =>
    experts === null ? [] : [{ index, name, ...experts }],
  );
}

/** Return the paths of all cells; a row is 1 high, an expert is 1 wide. */
export function expertCells(rows: ExpertRow[], metric: ExpertMetric): Cells[] {
  const found = new Map<string, Cells>();
  rows.forEach(({ experts }, y) => {
    const shades = shadesOf(experts.map((one) => one[metric]));
    const gap = experts.length > MOST_WITH_GAPS ? 0 : 0.12;
    experts.forEach(({ isKept }, x) => {
      const shade = shades[x] ?? 0;
      const key = `${isKept} ${shade}`;
      const cells = found.get(key) ?? { isKept, shade, path: "" };
      const [top = 0, height = 1] = isKept ? KEPT : REMOVED;
      cells.path += `M${x + gap / 2},${y + top}h${1 - gap}v${height}h${gap - 1}z`;
      found.set(key, cells);
    });
  });
  return [...found.values()];
}

/** Return classes by ratio, from the lowest to the highest of a layer: layers differ in scale. */
function shadesOf(values: number[]): number[] {
  const bounds = extent(values.filter((value) => value > 0));
  if (bounds === null) return values.map(() => 0);
  const scale = logarithmic(...bounds);
  return values.map((value) => (value > 0 ? classOf(scale(value), SHADES) : 0));
}

/** Describe an expert; its number is that in the names of tensors. */
export function expertInWords(row: ExpertRow, at: number): string {
  const expert = row.experts[at];
  const place = `Block ${blockNumber(row.index)}, expert ${at}`;
  return expert === undefined ? place : `${place}: ${figuresInWords(expert)}`;
}

export function figuresInWords({ score, tokens, isKept }: Expert): string {
  return `score ${figure(score)}, ${count(tokens)} tokens, ${isKept ? "kept" : "removed"}`;
}
