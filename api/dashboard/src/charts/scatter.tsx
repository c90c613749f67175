import { Link } from "wouter";
import { figure, percent } from "../format.ts";
import { extent, linear, type Point, paretoFront, ticks } from "./scale.ts";
import { useWidth } from "./width.ts";

export interface Dot extends Point {
  name: string;
  href: string;
}

const [DEFAULT_WIDTH, HEIGHT] = [640, 280];
const BOX = { left: 56, right: 20, top: 16, bottom: 42 };

/** Sparsity against perplexity, with the Pareto front as a line. */
export function Scatter({ dots, dense }: { dots: Dot[]; dense?: number | null }) {
  const [box, width] = useWidth(DEFAULT_WIDTH);
  const xs = extent(dots.map((dot) => dot.x));
  const ys = extent([...dots.map((dot) => dot.y), dense ?? null]);
  if (xs === null || ys === null) return null;
  const [xBounds, yBounds] = [padded(xs, 0.02), padded(ys, ys[1] * 0.01)];
  const across = linear(...xBounds);
  const up = linear(...yBounds);
  const x = (value: number) => BOX.left + across(value) * (width - BOX.left - BOX.right);
  const y = (value: number) => HEIGHT - BOX.bottom - up(value) * (HEIGHT - BOX.top - BOX.bottom);
  const front = paretoFront(dots);
  const best = new Set(front);
  return (
    <figure className="chart" ref={box}>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset cannot hold a drawing */}
      <svg viewBox={`0 0 ${width} ${HEIGHT}`} role="group" aria-label="Sparsity against perplexity">
        <Axes xs={xBounds} ys={yBounds} x={x} y={y} width={width} />
        {dense != null && (
          <g>
            <line
              className="dense"
              x1={BOX.left}
              x2={width - BOX.right}
              y1={y(dense)}
              y2={y(dense)}
            />
            <text x={width - BOX.right} y={y(dense) - 5} textAnchor="end">
              dense {figure(dense)}
            </text>
          </g>
        )}
        <path
          className="front"
          d={front.map((dot, at) => `${at ? "L" : "M"}${x(dot.x)},${y(dot.y)}`).join("")}
        />
        {front.map((dot) => (
          <text
            key={dot.href}
            className="name"
            x={x(dot.x)}
            y={y(dot.y) + 20}
            textAnchor={anchorOf(x(dot.x), width)}
          >
            {dot.name}
          </text>
        ))}
        {dots.map((dot) => (
          <Link key={dot.href} href={dot.href} aria-label={describeDot(dot, best.has(dot))}>
            <circle
              className={best.has(dot) ? "dot is-best" : "dot"}
              cx={x(dot.x)}
              cy={y(dot.y)}
              r="6"
            >
              <title>{describeDot(dot, best.has(dot))}</title>
            </circle>
          </Link>
        ))}
      </svg>
      <figcaption className="faint">
        Perplexity by sparsity; lower is better. The line is the Pareto front.
      </figcaption>
    </figure>
  );
}

interface AxesProps {
  xs: [number, number];
  ys: [number, number];
  x: (value: number) => number;
  y: (value: number) => number;
  width: number;
}

function Axes({ xs, ys, x, y, width }: AxesProps) {
  return (
    <g>
      {ticks(...ys).map((tick) => (
        <g key={tick}>
          <line className="grid" x1={BOX.left} x2={width - BOX.right} y1={y(tick)} y2={y(tick)} />
          <text x={BOX.left - 8} y={y(tick) + 4} textAnchor="end">
            {figure(tick)}
          </text>
        </g>
      ))}
      {ticks(...xs).map((tick) => (
        <text key={tick} x={x(tick)} y={HEIGHT - 18} textAnchor="middle">
          {percent(tick)}
        </text>
      ))}
    </g>
  );
}

/** Leave room around the outermost dots: at least `least`. */
function padded([low, high]: [number, number], least: number): [number, number] {
  const by = Math.max(least, (high - low) * 0.12);
  return [Math.max(0, low - by), high + by];
}

function describeDot(dot: Dot, isBest: boolean): string {
  const text = `${dot.name}: ${percent(dot.x)} sparse, perplexity ${figure(dot.y)}`;
  return isBest ? `${text}; on the Pareto front` : text;
}

/** Keep a label inside the chart. */
function anchorOf(x: number, width: number): "start" | "middle" | "end" {
  if (x < width * 0.2) return "start";
  return x > width * 0.8 ? "end" : "middle";
}
