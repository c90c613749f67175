import { type KeyboardEvent, type ReactNode, useId, useMemo, useRef, useState } from "react";
import { useLocation } from "wouter";
import { ErrorNote } from "../ui/notes.tsx";
import { canBeLog, isWide } from "./bounds.ts";
import { Figures } from "./figures.tsx";
import { inWords, moved } from "./focus.ts";
import { Legend } from "./legend.tsx";
import { type Axis, type Dot, type Rule, rowsOf, type Series } from "./series.ts";
import { Tooltip } from "./tooltip.tsx";
import { usePlot } from "./use-plot.ts";

const DEFAULT_HEIGHT = 280;
const NO_RULES: Rule[] = [];

interface Props {
  label: string;
  series: Series[];
  x: Axis;
  y: Axis;
  rules?: Rule[];
  height?: number;
  /** Whether the upward axis is logarithmic, null if not chosen, where the page keeps it. */
  log?: [isLog: boolean | null, setLog: (isLog: boolean) => void];
  /** What a click does; by default, it opens the dot's page. */
  choose?: (dot: Dot) => void;
  children?: ReactNode;
}

/** A chart: points are read by hover or arrow keys, a drag zooms in, and its figures are a table. */
export function Chart({ label, series, x, y, rules = NO_RULES, ...rest }: Props) {
  const { height = DEFAULT_HEIGHT, log, choose, children } = rest;
  const own = useState<boolean | null>(null);
  const [chosen, setLog] = log ?? own;
  const isLog = chosen ?? isWide({ series, rules });
  const [hidden, hide] = useState<ReadonlySet<string>>(new Set());
  const mayBeLog = canBeLog({ series, rules });
  const rows = useMemo(() => rowsOf(series), [series]);
  const drawing = { series, rules, x, y, isLog: isLog && mayBeLog };
  const drawn = usePlot({ drawing, rows }, hidden, height);
  const { box, plot, focus, setFocus, isZoomed, reset, error } = drawn;
  const [, go] = useLocation();
  const wasPointedAt = useRef(false);
  const help = useId();
  const dot = focus === null ? null : rows.columns[focus.column]?.[focus.row];
  const open = () => {
    if (dot && choose) choose(dot);
    else if (dot?.href) go(dot.href);
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === "Enter") return open();
    if (event.key === "Escape") return reset();
    const shown = series.map((one) => !hidden.has(one.name) && !one.isGuide);
    const next = moved(event.key, focus, rows, shown);
    if (next === null) return;
    event.preventDefault();
    setFocus(next);
  };
  if (rows.xs.length === 0) return null;
  return (
    <figure className="chart">
      <div className="chart-tools">
        <Legend series={series} hidden={hidden} hide={hide} />
        <span className="row">
          {isZoomed && (
            <button type="button" className="small" onClick={reset}>
              Reset zoom
            </button>
          )}
          {mayBeLog && (
            <label className="row tight">
              <input
                type="checkbox"
                checked={isLog}
                onChange={(event) => setLog(event.target.checked)}
              />
              Log axis
            </label>
          )}
        </span>
      </div>
      {error && <ErrorNote error={error} retry={() => location.reload()} />}
      <div
        className={dot?.href || choose ? "chart-plot is-link" : "chart-plot"}
        role="slider"
        tabIndex={0}
        aria-label={label}
        aria-describedby={help}
        aria-valuemin={0}
        aria-valuemax={rows.xs.length - 1}
        aria-valuenow={focus?.row ?? 0}
        aria-valuetext={focus ? inWords(drawing, rows, focus) : `${rows.xs.length} points`}
        onKeyDown={press}
        onBlur={() => setFocus(null)}
        // The plot does not notice when what is above it grows.
        onPointerEnter={() => plot.current?.syncRect(true)}
        onPointerDown={() => {
          // A first tap only shows the figures.
          wasPointedAt.current = focus !== null;
        }}
        onClick={() => wasPointedAt.current && open()}
      >
        <div ref={box} aria-hidden="true" style={{ minHeight: height }} />
        {focus && plot.current && (
          <Tooltip plot={plot.current} drawing={drawing} rows={rows} focus={focus} />
        )}
      </div>
      <figcaption className="faint">
        {children}
        <span id={help} className="unseen">
          Arrow keys move between the points, Enter opens one, Escape ends the zoom.
        </span>
      </figcaption>
      <Figures label={label} drawing={drawing} rows={rows} />
    </figure>
  );
}
