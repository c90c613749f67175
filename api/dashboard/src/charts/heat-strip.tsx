import { type KeyboardEvent, memo, type PointerEvent, useMemo } from "react";
import type { Block } from "../api/jobs.ts";
import { blockNumber } from "../format.ts";
import { blockInWords, type HeatRow, heatRows } from "./heat.ts";

interface Props {
  blocks: Block[];
  total: number;
  /** The block that is being pruned. */
  current: number | null;
  chosen: number;
  choose: (index: number) => void;
}

/** Few blocks have cells of about this size instead of the whole width. */
const CELL_REM = 4;
const BESIDE_REM = 16;

/** A heat map of all blocks, with a row for each metric; a slider selects a block. */
export function HeatStrip({ blocks, total, current, chosen, choose }: Props) {
  const rows = useMemo(() => heatRows(blocks, total), [blocks, total]);
  const byIndex = useMemo(() => new Map(blocks.map((one) => [one.index, one])), [blocks]);
  const pick = (event: PointerEvent<HTMLDivElement>) => {
    if (event.type === "pointermove" && event.pointerType === "touch") return;
    const box = event.currentTarget.getBoundingClientRect();
    choose(clamp(Math.floor(((event.clientX - box.left) / box.width) * total), total));
  };
  const step = (event: KeyboardEvent) => {
    const to = moved(event.key, chosen, total);
    if (to === null) return;
    event.preventDefault();
    choose(to);
  };
  return (
    <div className="heat" style={{ maxWidth: `${BESIDE_REM + total * CELL_REM}rem` }}>
      <div className="heat-names">
        {rows.map(({ name }) => (
          <span key={name}>{name}</span>
        ))}
      </div>
      <div
        className="heat-cells"
        role="slider"
        tabIndex={0}
        aria-label="Blocks"
        aria-valuemin={1}
        aria-valuemax={total}
        aria-valuenow={blockNumber(chosen)}
        aria-valuetext={blockInWords(byIndex.get(chosen), chosen)}
        onPointerMove={pick}
        onPointerDown={pick}
        onKeyDown={step}
      >
        <svg viewBox={`0 0 ${total} ${rows.length}`} preserveAspectRatio="none" aria-hidden="true">
          {rows.map((row, at) => (
            <Row key={row.name} row={row} y={at} />
          ))}
          {current !== null && current < total && (
            <rect className="is-current" x={current} y={0} width={1} height={rows.length} />
          )}
          <rect className="is-chosen" x={chosen} y={0} width={1} height={rows.length} />
        </svg>
      </div>
      <div className="heat-bounds">
        {rows.map(({ name, low, high }) => (
          <span key={name} data-name={name}>
            {low === high ? low : `${low} … ${high}`}
          </span>
        ))}
      </div>
    </div>
  );
}

const Row = memo(function Row({ row, y }: { row: HeatRow; y: number }) {
  const gap = row.shades.length > 80 ? 0 : 0.08;
  return row.shades.map((shade, x) => (
    <rect
      // biome-ignore lint/suspicious/noArrayIndexKey: a block is its index
      key={x}
      className={shade === null ? "shade-none" : `shade-${shade}`}
      x={x + gap / 2}
      y={y + 0.04}
      width={1 - gap}
      height={0.92}
    />
  ));
});

function moved(key: string, from: number, total: number): number | null {
  const steps: Record<string, number> = {
    ArrowLeft: from - 1,
    ArrowDown: from - 1,
    ArrowRight: from + 1,
    ArrowUp: from + 1,
    PageDown: from - 10,
    PageUp: from + 10,
    Home: 0,
    End: total - 1,
  };
  const to = steps[key];
  return to === undefined ? null : clamp(to, total);
}

function clamp(index: number, total: number): number {
  return Math.max(0, Math.min(total - 1, index));
}
