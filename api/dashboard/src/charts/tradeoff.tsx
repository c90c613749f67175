import { type ReactNode, useMemo } from "react";
import { rounded } from "../format.ts";
import { Chart } from "./chart.tsx";
import { GUIDE } from "./look.ts";
import { paretoFront } from "./scale.ts";
import type { Axis, Dot, Rule, Series } from "./series.ts";

/** A job: its reduction, its perplexity, and the series that it belongs to. */
export interface Tradeoff extends Dot {
  series: string;
  style: number;
}

const PERPLEXITY: Axis = { title: "Perplexity", unit: "number" };

interface Props {
  jobs: Tradeoff[];
  rules: Rule[];
  log?: [boolean | null, (isLog: boolean) => void];
  children?: ReactNode;
}

/** Reduction against perplexity, with the Pareto front as a line. */
export function TradeoffChart({ jobs, rules, log, children }: Props) {
  const series = useMemo(() => seriesOf(jobs), [jobs]);
  const x = useMemo(() => shares(jobs), [jobs]);
  return (
    <Chart
      label="Reduction against perplexity"
      series={series}
      rules={rules}
      x={x}
      y={PERPLEXITY}
      height={320}
      log={log}
    >
      {children} Reduction is the share of zeros, of removed parameters, or of 16 bits that was
      saved. Lower is better; the line is the Pareto front.
    </Chart>
  );
}

/** Return a series for each name, and the front behind them. */
export function seriesOf(jobs: Tradeoff[]): Series[] {
  const front: Series = {
    ...{ name: "Pareto front", kind: "line", style: GUIDE, isGuide: true },
    dots: paretoFront(jobs),
  };
  const named = new Map<string, Series>();
  for (const job of jobs) {
    const { series: name, style } = job;
    const known = named.get(name) ?? { name, style, kind: "dots", dots: [] };
    named.set(name, { ...known, dots: [...known.dots, job] });
  }
  return [front, ...named.values()];
}

/** Return the axis, with labels where jobs are. */
function shares(jobs: Tradeoff[]): Axis {
  const ticks = [...new Set(jobs.map(({ x }) => rounded(x, 3)))].sort((a, b) => a - b);
  return { title: "Reduction", unit: "percent", ticks };
}
