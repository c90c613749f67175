/** Draws a chart on a canvas with uPlot. */

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { across, upwards } from "./bounds.ts";
import { colourOf, dashesOf, isHollow, seriesColour, shapeOf } from "./look.ts";
import { drawRules, roomFor } from "./rules.ts";
import type { Drawing, Rows, Series } from "./series.ts";
import { apart, logTicks, ticks, tickTexts } from "./ticks.ts";

const FONT_SIZE = 12;
const FONT = `${FONT_SIZE}px system-ui, "DejaVu Sans", sans-serif`;
const MARKED_DOTS = 40;
const TICK_DISTANCE = { x: 80, y: 36 };
const TICK_GAP = 52;
const AXES = { width: 70, height: 50 };

/** What a plot reads while it lives; the page may replace it. */
export interface Source {
  drawing: Drawing;
  rows: Rows;
}

export interface Listeners {
  pointed: (plot: uPlot) => void;
  zoomed: (isZoomed: boolean) => void;
}

export function dataOf({ rows }: Source): uPlot.AlignedData {
  return [rows.xs, ...rows.columns.map((column) => column.map((dot) => dot?.y ?? null))];
}

/** Draw a chart into an element. The source is read again at every drawing. */
export function draw(
  box: HTMLElement,
  source: () => Source,
  listeners: Listeners,
  height: number,
): uPlot {
  const { drawing } = source();
  const size = { width: Math.max(1, box.clientWidth), height };
  const options: uPlot.Options = {
    ...size,
    scales: {
      x: { time: false, range: (_, low, high) => xBounds(source(), low, high) },
      y: {
        distr: drawing.isLog ? 3 : 1,
        range: (_, low, high) => upwards(source().drawing, low ?? 0, high ?? 1),
      },
    },
    axes: [xAxis(box, source), yAxis(box, source)],
    series: [{}, ...drawing.series.map((one) => seriesOf(box, one))],
    padding: [null, roomFor(drawing.rules), null, null],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, dist: 6 } },
    hooks: {
      draw: [(plot) => drawRules(plot, source().drawing.rules, FONT_SIZE)],
      setCursor: [listeners.pointed],
      setScale: [(plot, key) => key === "x" && listeners.zoomed(isZoomed(plot, source()))],
    },
  };
  return new uPlot(options, dataOf(source()), box);
}

/** Show all rows again. */
export function showAll(plot: uPlot, { rows }: Source): void {
  plot.setScale("x", { min: rows.xs[0] ?? 0, max: rows.xs.at(-1) ?? 1 });
}

function xBounds({ drawing, rows }: Source, low: number, high: number): [number, number] {
  const [first, last] = [rows.xs[0], rows.xs.at(-1)];
  const isAll = first === last || (low === first && high === last);
  return isAll ? across(drawing, rows) : [low, high];
}

function isZoomed({ scales }: uPlot, { rows }: Source): boolean {
  const { min, max } = scales.x ?? {};
  return (min ?? 0) > (rows.xs[0] ?? 0) || (max ?? 0) < (rows.xs.at(-1) ?? 0);
}

function seriesOf(box: HTMLElement, { kind, style, dots, name }: Series): uPlot.Series {
  const colour = () => seriesColour(box, style);
  const ground = () => colourOf(box, "--surface");
  const common = { label: name, stroke: colour, width: 2, spanGaps: true };
  if (kind === "bars") {
    return {
      ...common,
      width: 0,
      fill: colour,
      paths: uPlot.paths.bars?.({ size: [0.8, 40] }),
      points: { show: false },
    };
  }
  const isLine = kind === "line";
  return {
    ...common,
    dash: dashesOf(style),
    paths: isLine ? undefined : () => null,
    points: {
      show: !isLine || dots.length <= MARKED_DOTS,
      size: isLine ? 5 : 11,
      width: isLine ? 1 : 2,
      stroke: colour,
      fill: !isLine && isHollow(style) ? ground : colour,
      ...(!isLine && { paths: (plot, at, from, to) => shapes(plot, at, from, to, style) }),
    },
  };
}

const RADIUS = 5;

/** Return the outlines of a series' dots. */
function shapes(plot: uPlot, at: number, from: number, to: number, style: number) {
  const path = new Path2D();
  const clip = new Path2D();
  const { left, top, width, height } = plot.bbox;
  const radius = RADIUS * devicePixelRatio;
  clip.rect(left - radius, top - radius, width + 2 * radius, height + 2 * radius);
  for (let row = from; row <= to; row += 1) {
    const [x, y] = [plot.data[0][row], plot.data[at]?.[row]];
    if (x == null || y == null) continue;
    const middle = [plot.valToPos(x, "x", true), plot.valToPos(y, "y", true)] as const;
    shapeOf(style).forEach(([across, down], corner) => {
      const to = [middle[0] + radius * across, middle[1] + radius * down] as const;
      if (corner === 0) path.moveTo(...to);
      else path.lineTo(...to);
    });
    path.closePath();
  }
  return { stroke: path, fill: path, clip };
}

function axisLook(box: HTMLElement): uPlot.Axis {
  return {
    font: FONT,
    labelFont: FONT,
    labelSize: FONT_SIZE + 8,
    stroke: () => colourOf(box, "--muted"),
    grid: { stroke: () => colourOf(box, "--line"), width: 1 },
    ticks: { show: false },
  };
}

function xAxis(box: HTMLElement, source: () => Source): uPlot.Axis {
  const { title } = source().drawing.x;
  return {
    ...axisLook(box),
    label: title,
    size: FONT_SIZE + 16,
    grid: { show: false },
    splits: (plot, _, low, high) => {
      const { unit, ticks: given = [] } = source().drawing.x;
      const count = Math.max(2, Math.floor((plot.width - AXES.width) / TICK_DISTANCE.x));
      const shown = apart(given, low, high, TICK_GAP / (plot.width - AXES.width));
      if (shown.length > 0 && shown.length <= 2 * count) return shown;
      return ticks(low, high, count, unit === "whole");
    },
    values: (_, splits) => tickTexts(splits, source().drawing.x.unit),
  };
}

function yAxis(box: HTMLElement, source: () => Source): uPlot.Axis {
  const { title, unit } = source().drawing.y;
  return {
    ...axisLook(box),
    label: title,
    size: (_, texts) => Math.max(0, ...(texts ?? []).map(({ length }) => length)) * 7 + 12,
    splits: (plot, _, low, high) => {
      const count = Math.max(2, Math.floor((plot.height - AXES.height) / TICK_DISTANCE.y));
      return source().drawing.isLog ? logTicks(low, high, count) : ticks(low, high, count);
    },
    filter: (_, splits) => splits,
    values: (_, splits) => tickTexts(splits, unit),
  };
}
