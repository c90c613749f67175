import { figure } from "../format.ts";
import { Legend, styleOf } from "./lines.tsx";
import { curvePath, extent, linear, type Point, ticks } from "./scale.ts";
import { useWidth } from "./width.ts";

export interface Curve {
  name: string;
  points: Point[];
}

const [DEFAULT_WIDTH, HEIGHT] = [640, 220];
const BOX = { left: 52, right: 12, top: 10, bottom: 30 };

/** Curves over one axis, on which each has points of its own; y need not start at zero. */
export function Curves({ curves, label, unit }: { curves: Curve[]; label: string; unit: string }) {
  const [box, width] = useWidth(DEFAULT_WIDTH);
  const points = curves.flatMap((curve) => curve.points);
  const [across, up] = [extent(points.map(({ x }) => x)), extent(points.map(({ y }) => y))];
  if (across === null || up === null) return null;
  const [toRight, toTop] = [linear(...across), linear(...up)];
  const x = (value: number) => BOX.left + toRight(value) * (width - BOX.left - BOX.right);
  const y = (value: number) => HEIGHT - BOX.bottom - toTop(value) * (HEIGHT - BOX.top - BOX.bottom);
  return (
    <figure className="chart" ref={box}>
      <svg viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-label={label}>
        {ticks(...up).map((tick) => (
          <g key={tick}>
            <line className="grid" x1={BOX.left} x2={width - BOX.right} y1={y(tick)} y2={y(tick)} />
            <text x={BOX.left - 8} y={y(tick) + 4} textAnchor="end">
              {figure(tick)}
            </text>
          </g>
        ))}
        {ticks(...across, 6)
          .filter(Number.isInteger)
          .map((tick) => (
            <text key={tick} x={x(tick)} y={HEIGHT - 12} textAnchor="middle">
              {tick}
            </text>
          ))}
        {curves.map((curve, at) => (
          <g key={curve.name}>
            <path className={styleOf(at)} d={curvePath(curve.points, x, y)} />
            {curve.points.length === 1 && <Dot at={curve.points[0]} {...{ x, y }} />}
          </g>
        ))}
      </svg>
      <figcaption>
        <span className="faint">{unit}</span>
        <Legend names={curves.map((curve) => curve.name)} />
      </figcaption>
    </figure>
  );
}

interface DotProps {
  at: Point | undefined;
  x: (value: number) => number;
  y: (value: number) => number;
}

/** A curve of one point has no line. */
function Dot({ at, x, y }: DotProps) {
  return at && <circle className="dot" cx={x(at.x)} cy={y(at.y)} r={3} />;
}
