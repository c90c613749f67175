import { stamp, zone } from "../../format.ts";
import { useNow } from "../../ui/now.ts";
import { Scroll } from "../../ui/scroll.tsx";

const STEP_MS = 600_000;
const STEPS = 144;

interface Point {
  at: string;
  /** The height of the bar, from 0 to 1. */
  share: number;
}

/** The last day in steps of ten minutes; steps without a point are empty. */
export function DayStrip({ points }: { points: Point[] }) {
  const last = Math.floor(useNow() / STEP_MS);
  return (
    <div className="day-strip" aria-hidden="true">
      <svg viewBox={`0 0 ${STEPS} 1`} preserveAspectRatio="none" aria-hidden="true">
        {points.map(({ at, share }) => {
          const x = STEPS - 1 - (last - Math.floor(new Date(at).getTime() / STEP_MS));
          return (
            <g key={at}>
              <rect className="day-known" x={x} y={0} width={1} height={1} />
              <rect className="day-bar" x={x} y={1 - share} width={1} height={share} />
            </g>
          );
        })}
      </svg>
      <div className="day-axis faint">
        <span>24 h ago</span>
        <span>12 h ago</span>
        <span>now</span>
      </div>
    </div>
  );
}

interface FiguresProps {
  heads: string[];
  /** The time of each row, then its cells. */
  rows: [at: string, ...cells: string[]][];
}

/** The figures of a strip as a table, newest first. */
export function DayFigures({ heads, rows }: FiguresProps) {
  if (rows.length === 0) return null;
  return (
    <details>
      <summary>Figures</summary>
      <Scroll label="Figures, newest first" className="tall">
        <table>
          <thead>
            <tr>
              <th scope="col">Ten minutes from ({zone()})</th>
              {heads.map((head) => (
                <th key={head} scope="col" className="end">
                  {head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.toReversed().map(([at, ...cells]) => (
              <tr key={at}>
                <th scope="row">{stamp(at)}</th>
                {cells.map((cell, column) => (
                  <td key={heads[column]} className="end">
                    {cell}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </details>
  );
}
