/** What a chart shows. */

export interface Dot {
  x: number;
  y: number;
  /** Which of the series' dots it is, where the series does not say it. */
  name?: string;
  /** The page that a click opens. */
  href?: string;
}

export interface Series {
  name: string;
  dots: Dot[];
  kind: "line" | "dots" | "bars";
  /** Its colour and dashes; the same number looks the same in every chart. */
  style: number;
  /** Whether it only guides the eye: its dots are those of other series. */
  isGuide?: boolean;
}

export interface Axis {
  title: string;
  unit: "number" | "percent" | "whole";
  /** Where its labels are, if there is room. */
  ticks?: number[];
}

/** A line across the chart at one value of an axis. */
export interface Rule {
  name: string;
  at: number;
  axis: "x" | "y";
}

export interface Drawing {
  series: Series[];
  rules: Rule[];
  x: Axis;
  y: Axis;
  isLog: boolean;
}

/** The rows of a chart: an x, and the dot of each series there. */
export interface Rows {
  xs: number[];
  columns: (Dot | null)[][];
}

/** Sort all dots into rows; a series with several dots at one x has a row for each. */
export function rowsOf(series: Series[]): Rows {
  const needed = new Map<number, number>();
  for (const { dots } of series) {
    for (const [x, times] of countsOf(dots)) needed.set(x, Math.max(times, needed.get(x) ?? 0));
  }
  const sorted = [...needed].sort(([a], [b]) => a - b);
  const xs = sorted.flatMap(([x, times]) => Array<number>(times).fill(x));
  const firsts = new Map(xs.map((x, row) => [x, row] as const).reverse());
  const columns = series.map(({ dots }) => {
    const column = Array<Dot | null>(xs.length).fill(null);
    const next = new Map<number, number>();
    for (const dot of dots) {
      const row = next.get(dot.x) ?? firsts.get(dot.x) ?? 0;
      column[row] = dot;
      next.set(dot.x, row + 1);
    }
    return column;
  });
  return { xs, columns };
}

function countsOf(dots: Dot[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { x } of dots) counts.set(x, (counts.get(x) ?? 0) + 1);
  return counts;
}
