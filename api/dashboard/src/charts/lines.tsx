import { figure } from "../format.ts";
import { extent, linear, path, ticks } from "./scale.ts";
import { useWidth } from "./width.ts";

const [COLOURS, DASHES] = [6, 6];

/** Return a combination of colour and dashes; the first 36 lines have different ones. */
export function styleOf(line: number): string {
  const dashes = (line + Math.floor(line / COLOURS)) % DASHES;
  return `series colour-${line % COLOURS} dashes-${dashes}`;
}

export interface Line {
  name: string;
  values: (number | null)[];
}

const [DEFAULT_WIDTH, HEIGHT] = [640, 240];
const BOX = { left: 52, right: 12, top: 10, bottom: 30 };

/** Values by block, with a line for each job. */
export function Lines({ lines, label, unit }: { lines: Line[]; label: string; unit: string }) {
  const [box, width] = useWidth(DEFAULT_WIDTH);
  const bounds = extent(lines.flatMap((line) => line.values));
  const longest = Math.max(...lines.map((line) => line.values.length));
  if (bounds === null || longest < 2) return null;
  const [low, high] = [Math.min(0, bounds[0]), bounds[1]];
  const across = linear(0, longest - 1);
  const up = linear(low, high);
  const x = (at: number) => BOX.left + across(at) * (width - BOX.left - BOX.right);
  const y = (value: number) => HEIGHT - BOX.bottom - up(value) * (HEIGHT - BOX.top - BOX.bottom);
  return (
    <figure className="chart" ref={box}>
      <svg viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-label={label}>
        {ticks(low, high).map((tick) => (
          <g key={tick}>
            <line className="grid" x1={BOX.left} x2={width - BOX.right} y1={y(tick)} y2={y(tick)} />
            <text x={BOX.left - 8} y={y(tick) + 4} textAnchor="end">
              {figure(tick)}
            </text>
          </g>
        ))}
        {ticks(0, longest - 1, 6)
          .filter(Number.isInteger)
          .map((tick) => (
            <text key={tick} x={x(tick)} y={HEIGHT - 12} textAnchor="middle">
              {tick}
            </text>
          ))}
        {lines.map((line, at) => (
          <path key={line.name} className={styleOf(at)} d={path(line.values, x, y)} />
        ))}
      </svg>
      <figcaption>
        <span className="faint">{unit}</span>
        <Legend names={lines.map((line) => line.name)} />
      </figcaption>
    </figure>
  );
}

export function Legend({ names }: { names: string[] }) {
  return (
    <ul className="legend">
      {names.map((name, at) => (
        <li key={name}>
          <svg viewBox="0 0 24 8" aria-hidden="true">
            <path className={styleOf(at)} d="M0,4L24,4" />
          </svg>
          {name}
        </li>
      ))}
    </ul>
  );
}
