import { type RefObject, useEffect, useRef, useState } from "react";
import type uPlot from "uplot";
import { type Focus, nearest } from "./focus.ts";
import { onTheme } from "./look.ts";
import type { Source } from "./plot.ts";
import type { Drawing } from "./series.ts";
import { useLibrary } from "./use-library.ts";

export interface Plot {
  box: RefObject<HTMLDivElement | null>;
  plot: RefObject<uPlot | null>;
  focus: Focus | null;
  setFocus: (focus: Focus | null) => void;
  isZoomed: boolean;
  /** Show all rows again. */
  reset: () => void;
  /** Why nothing is drawn. */
  error: Error | null;
}

/** Keep a plot of the source in an element; new figures do not end a zoom. */
export function usePlot(source: Source, hidden: ReadonlySet<string>, height: number): Plot {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const latest = useRef(source);
  const drawn = useRef(source.rows);
  const [focus, setFocus] = useState<Focus | null>(null);
  const [isZoomed, setZoomed] = useState(false);
  const { data: library, error } = useLibrary(box);
  useEffect(() => {
    latest.current = source;
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: new figures alone need no new plot
  useEffect(() => {
    if (box.current === null || library === undefined) return;
    const pointed = (made: uPlot) => {
      const { drawing, rows } = latest.current;
      const next = nearest(made, drawing, rows);
      setFocus((old) => (old?.row === next?.row && old?.column === next?.column ? old : next));
    };
    drawn.current = source.rows;
    const listeners = { pointed, zoomed: setZoomed };
    const made = library.draw(box.current, () => latest.current, listeners, height);
    plot.current = made;
    const forgetSize = onWidth(box.current, (width) => made.setSize({ width, height }));
    const forgetTheme = onTheme(() => made.redraw(true, true));
    return () => {
      forgetSize();
      forgetTheme();
      made.destroy();
      plot.current = null;
    };
  }, [library, shapeOf(source.drawing), height]);
  useEffect(() => {
    if (drawn.current === source.rows) return;
    drawn.current = source.rows;
    if (library) plot.current?.setData(library.dataOf(source), !isZoomed);
    if (isZoomed) plot.current?.redraw();
  }, [library, source, isZoomed]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the code that draws makes the plot
  useEffect(() => {
    source.drawing.series.forEach(({ name }, at) => {
      plot.current?.setSeries(at + 1, { show: !hidden.has(name) });
    });
  }, [library, source.drawing.series, hidden]);
  const reset = () => plot.current && library?.showAll(plot.current, source);
  return { box, plot, focus, setFocus, isZoomed, reset, error };
}

function onWidth(element: HTMLElement, changed: (width: number) => void): () => void {
  let known = element.clientWidth;
  const observer = new ResizeObserver(() => {
    const width = element.clientWidth;
    if (width > 0 && width !== known) changed(width);
    known = width;
  });
  observer.observe(element);
  return () => observer.disconnect();
}

/** Everything about a drawing but its figures. */
function shapeOf({ series, ...axes }: Drawing): string {
  return JSON.stringify({ ...axes, series: series.map(({ dots, ...look }) => look) });
}
