/** Draws the lines across a chart, with their names beside it. */

import type uPlot from "uplot";
import { colourOf } from "./look.ts";
import type { Rule } from "./series.ts";

const [LETTER, GAP] = [6.5, 6];

/** Return the pixels that the names need at the right of a chart. */
export function roomFor(rules: Rule[]): number | null {
  const longest = Math.max(0, ...rules.filter(isAcross).map(({ name }) => name.length));
  return longest === 0 ? null : longest * LETTER + GAP;
}

export function drawRules(plot: uPlot, rules: Rule[], fontSize: number): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const [right, bottom] = [bbox.left + bbox.width, bbox.top + bbox.height];
  ctx.save();
  ctx.font = `${fontSize * ratio}px system-ui, sans-serif`;
  ctx.strokeStyle = ctx.fillStyle = colourOf(plot.root, "--text");
  ctx.lineWidth = ratio;
  ctx.textAlign = "left";
  ctx.setLineDash([5 * ratio, 4 * ratio]);
  const line = (from: [number, number], to: [number, number]) => {
    ctx.beginPath();
    ctx.moveTo(...from);
    ctx.lineTo(...to);
    ctx.stroke();
  };
  for (const { name, at } of rules.filter((one) => !isAcross(one))) {
    const x = plot.valToPos(at, "x", true);
    if (x < bbox.left || x > right) continue;
    line([x, bbox.top], [x, bottom]);
    ctx.fillText(name, x + 4 * ratio, bbox.top + fontSize * ratio);
  }
  let last = Number.POSITIVE_INFINITY;
  const upwards = [...rules.filter(isAcross)].sort((a, b) => a.at - b.at);
  for (const { name, at } of upwards) {
    const y = plot.valToPos(at, "y", true);
    if (y < bbox.top || y > bottom) continue;
    line([bbox.left, y], [right, y]);
    last = Math.min(y, last - fontSize * 1.2 * ratio); // names do not cover each other
    ctx.fillText(name, right + (GAP / 2) * ratio, last + (fontSize / 3) * ratio);
  }
  ctx.restore();
}

function isAcross({ axis }: Rule): boolean {
  return axis === "y";
}
