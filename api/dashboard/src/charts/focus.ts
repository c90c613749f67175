/** Which of a chart's dots is pointed at. */

import type uPlot from "uplot";
import type { Dot, Drawing, Rows } from "./series.ts";
import { valueText } from "./ticks.ts";

export interface Focus {
  row: number;
  column: number;
}

const LINE_WEIGHT = 100;

/** Return the dot nearest to the pointer; between lines, the one at the nearest x. */
export function nearest(plot: uPlot, { series }: Drawing, { xs, columns }: Rows): Focus | null {
  const { left = -1, top = -1 } = plot.cursor;
  if (left < 0) return null;
  let found: Focus | null = null;
  let least = Number.POSITIVE_INFINITY;
  columns.forEach((dots, column) => {
    if (plot.series[column + 1]?.show === false || series[column]?.isGuide) return;
    const weight = series[column]?.kind === "dots" ? 1 : LINE_WEIGHT;
    dots.forEach((dot, row) => {
      if (dot === null) return;
      const across = plot.valToPos(xs[row] ?? 0, "x") - left;
      const distance = weight * across ** 2 + (plot.valToPos(dot.y, "y") - top) ** 2;
      if (distance < least) [least, found] = [distance, { row, column }];
    });
  });
  return found;
}

/** Return the next dot in the direction of a key, or null for other keys. */
export function moved(
  key: string,
  from: Focus | null,
  rows: Rows,
  isShown: boolean[],
): Focus | null {
  const dots = rows.xs.flatMap((_, row) =>
    rows.columns.flatMap((column, at) => (column[row] && isShown[at] ? [{ row, column: at }] : [])),
  );
  const at = dots.findIndex((one) => one.row === from?.row && one.column === from?.column);
  const steps: Record<string, Focus | undefined> = {
    ArrowRight: inRow(
      dots,
      dots.find((one) => one.row > (from?.row ?? -1)),
      from,
    ),
    ArrowLeft: inRow(
      dots,
      dots.findLast((one) => one.row < (from?.row ?? 0)),
      from,
    ),
    ArrowDown: dots[at + 1],
    ArrowUp: dots[at - 1],
    Home: dots[0],
    End: dots.at(-1),
  };
  return key in steps ? (steps[key] ?? from ?? dots[0] ?? null) : null;
}

/** Return the dot in the row of `target`, of the former column if it has one there. */
function inRow(dots: Focus[], target: Focus | undefined, from: Focus | null): Focus | undefined {
  return dots.find((one) => one.row === target?.row && one.column === from?.column) ?? target;
}

/** Return the dots at the x of a row, the focused one's column among them. */
export function dotsAt({ xs, columns }: Rows, { row, column }: Focus): (Dot | null)[] {
  return columns.map((dots, at) => {
    if (at === column) return dots[row] ?? null;
    return dots.find((dot, other) => dot !== null && xs[other] === xs[row]) ?? null;
  });
}

/** Describe a dot: "wanda: Sparsity 50 %, Perplexity 61.4". */
export function inWords(drawing: Drawing, { columns }: Rows, { row, column }: Focus): string {
  const dot = columns[column]?.[row];
  if (!dot) return "";
  const { x, y } = drawing;
  const name = dot.name ?? drawing.series[column]?.name ?? "";
  return `${name}: ${x.title} ${valueText(dot.x, x.unit)}, ${y.title} ${valueText(dot.y, y.unit)}`;
}
