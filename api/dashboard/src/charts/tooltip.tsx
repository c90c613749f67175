import type uPlot from "uplot";
import { dotsAt, type Focus } from "./focus.ts";
import { Swatch } from "./legend.tsx";
import type { Drawing, Rows } from "./series.ts";
import { valueText } from "./ticks.ts";

interface Props {
  plot: uPlot;
  drawing: Drawing;
  rows: Rows;
  focus: Focus;
}

/** The figures at one x, with a mark at the dot that is pointed at. */
export function Tooltip({ plot, drawing, rows, focus }: Props) {
  const dot = rows.columns[focus.column]?.[focus.row];
  if (!dot) return null;
  const { over } = plot;
  const [left, top] = [plot.valToPos(dot.x, "x"), plot.valToPos(dot.y, "y")];
  if (left < 0 || left > over.clientWidth) return null;
  const isLeft = left > over.clientWidth / 2;
  const place = { left: over.offsetLeft + left, top: over.offsetTop + top };
  return (
    <>
      <span className="chart-mark" style={place} />
      <div className={isLeft ? "chart-tip is-left" : "chart-tip"} style={{ left: place.left }}>
        <strong>
          {drawing.x.title} {valueText(dot.x, drawing.x.unit)}
        </strong>
        <ul>
          {dotsAt(rows, focus).map((one, at) => {
            const series = drawing.series[at];
            const isShown = series && !series.isGuide && plot.series[at + 1]?.show !== false;
            if (one === null || !isShown) return null;
            return (
              <li key={series.name} className={at === focus.column ? "strong" : ""}>
                <Swatch kind={series.kind} style={series.style} />
                <span>{one.name ?? series.name}</span>
                <span className="figure">{valueText(one.y, drawing.y.unit)}</span>
              </li>
            );
          })}
        </ul>
      </div>
    </>
  );
}
