import { type KeyboardEvent, type PointerEvent, useMemo, useState } from "react";
import { blockNumber, percent } from "../format.ts";
import {
  EXPERT_METRICS,
  type ExpertMetric,
  type ExpertRow,
  expertCells,
  expertInWords,
  figuresInWords,
} from "./expert-cells.ts";
import { SHADES } from "./heat.ts";

interface Props {
  rows: ExpertRow[];
  metric: ExpertMetric;
}

interface Place {
  row: number;
  expert: number;
}

/** Few experts have cells of about this size instead of the whole width. */
const CELL_REM = 3;
const BESIDE_REM = 10;
/** More rows are lower. */
const MOST_HIGH = 12;
const FAINTEST = 0.3;

/** A row for each block, a cell for each expert; arrow keys and the pointer read them. */
export function ExpertStrip({ rows, metric }: Props) {
  const [at, point] = useState<Place>({ row: 0, expert: 0 });
  const [isRead, read] = useState(false);
  const cells = useMemo(() => expertCells(rows, metric), [rows, metric]);
  const total = Math.max(...rows.map(({ experts }) => experts.length));
  const chosen = rows[at.row];
  const pick = (event: PointerEvent<HTMLDivElement>) => {
    if (event.type === "pointermove" && event.pointerType === "touch") return;
    const { left, top, width, height } = event.currentTarget.getBoundingClientRect();
    point({
      row: within(((event.clientY - top) / height) * rows.length, rows.length),
      expert: within(((event.clientX - left) / width) * total, total),
    });
    read(true);
  };
  const step = (event: KeyboardEvent) => {
    const to = moved(event.key, at, rows.length, total);
    if (to === null) return;
    event.preventDefault();
    point(to);
    read(true);
  };
  return (
    <div
      className={rows.length > MOST_HIGH ? "experts is-many" : "experts"}
      style={{ maxWidth: `${BESIDE_REM + total * CELL_REM}rem` }}
    >
      <span className="expert-head">Block</span>
      <span className="expert-head">
        <span>Expert 0</span> <span>{total - 1}</span>
      </span>
      <span className="expert-head">Gate weight removed</span>
      <div className="expert-labels" aria-hidden="true">
        {rows.map(({ index }) => (
          <span key={index}>{blockNumber(index)}</span>
        ))}
      </div>
      <div
        className="heat-cells"
        role="slider"
        tabIndex={0}
        aria-label={`${EXPERT_METRICS[metric]} of experts by block`}
        aria-valuemin={0}
        aria-valuemax={rows.length * total - 1}
        aria-valuenow={at.row * total + at.expert}
        aria-valuetext={chosen && expertInWords(chosen, at.expert)}
        onPointerMove={pick}
        onPointerDown={pick}
        onPointerLeave={({ pointerType }) => pointerType === "touch" || read(false)}
        onFocus={() => read(true)}
        onBlur={() => read(false)}
        onKeyDown={step}
      >
        <svg viewBox={`0 0 ${total} ${rows.length}`} preserveAspectRatio="none" aria-hidden="true">
          {cells.map(({ isKept, shade, path }) => (
            <path
              key={`${isKept} ${shade}`}
              className={isKept ? "is-kept" : "is-removed"}
              fillOpacity={FAINTEST + (1 - FAINTEST) * (shade / (SHADES - 1))}
              d={path}
            />
          ))}
          {isRead && <rect className="is-chosen" x={at.expert} y={at.row} width={1} height={1} />}
        </svg>
        {isRead && chosen && <Tip row={chosen} at={at} rows={rows.length} total={total} />}
      </div>
      <div className="expert-labels" aria-hidden="true">
        {rows.map(({ index, gateRemoved }) => (
          <span key={index}>{percent(gateRemoved)}</span>
        ))}
      </div>
    </div>
  );
}

interface TipProps {
  row: ExpertRow;
  at: Place;
  rows: number;
  total: number;
}

function Tip({ row, at, rows, total }: TipProps) {
  const [left, top] = [(at.expert + 0.5) / total, (at.row + 1) / rows];
  const expert = row.experts[at.expert];
  return (
    <div
      className={left > 0.5 ? "chart-tip is-left" : "chart-tip"}
      style={{ left: `${100 * left}%`, top: `${100 * top}%` }}
    >
      <strong>
        Block {blockNumber(row.index)}, expert {at.expert}
      </strong>
      {expert && <p>{figuresInWords(expert)}</p>}
    </div>
  );
}

function moved(key: string, { row, expert }: Place, rows: number, total: number): Place | null {
  const steps: Record<string, Place> = {
    ArrowLeft: { row, expert: expert - 1 },
    ArrowRight: { row, expert: expert + 1 },
    ArrowUp: { row: row - 1, expert },
    ArrowDown: { row: row + 1, expert },
    PageUp: { row: row - 10, expert },
    PageDown: { row: row + 10, expert },
    Home: { row, expert: 0 },
    End: { row, expert: total - 1 },
  };
  const to = steps[key];
  return to === undefined ? null : { row: within(to.row, rows), expert: within(to.expert, total) };
}

function within(place: number, total: number): number {
  return Math.max(0, Math.min(total - 1, Math.floor(place)));
}
