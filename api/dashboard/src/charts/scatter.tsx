import { figure, percent } from "../format.ts";
import { extent, linear, type Point, paretoFront, ticks } from "./scale.ts";

export interface Dot extends Point {
  name: string;
  href: string;
}

const [WIDTH, HEIGHT] = [640, 300];
const BOX = { left: 56, right: 20, top: 16, bottom: 42 };

/** Sparsity against perplexity; the line joins the jobs that no other one beats. */
export function Scatter({ dots, dense }: { dots: Dot[]; dense?: number | null }) {
  const xs = extent(dots.map((dot) => dot.x));
  const ys = extent([...dots.map((dot) => dot.y), dense ?? null]);
  if (xs === null || ys === null) return null;
  const across = linear(...padded(xs, 0.05));
  const up = linear(...padded(ys, ys[1] * 0.05));
  const x = (value: number) => BOX.left + across(value) * (WIDTH - BOX.left - BOX.right);
  const y = (value: number) => HEIGHT - BOX.bottom - up(value) * (HEIGHT - BOX.top - BOX.bottom);
  const front = paretoFront(dots);
  const best = new Set(front);
  return (
    <figure className="chart">
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset cannot hold a drawing */}
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="group" aria-label="Sparsity against perplexity">
        <Axes xs={padded(xs, 0.05)} ys={padded(ys, ys[1] * 0.05)} x={x} y={y} />
        {dense != null && (
          <g>
            <line
              className="dense"
              x1={BOX.left}
              x2={WIDTH - BOX.right}
              y1={y(dense)}
              y2={y(dense)}
            />
            <text x={WIDTH - BOX.right} y={y(dense) - 5} textAnchor="end">
              dense {figure(dense)}
            </text>
          </g>
        )}
        <path
          className="front"
          d={front.map((dot, at) => `${at ? "L" : "M"}${x(dot.x)},${y(dot.y)}`).join("")}
        />
        {dots.map((dot) => (
          <a key={dot.href} href={dot.href} aria-label={inWords(dot, best.has(dot))}>
            <circle
              className={best.has(dot) ? "dot is-best" : "dot"}
              cx={x(dot.x)}
              cy={y(dot.y)}
              r="6"
            >
              <title>{inWords(dot, best.has(dot))}</title>
            </circle>
          </a>
        ))}
      </svg>
      <figcaption className="faint">
        Perplexity by sparsity, lower is better. The line joins the jobs that no other one beats.
      </figcaption>
    </figure>
  );
}

interface AxesProps {
  xs: [number, number];
  ys: [number, number];
  x: (value: number) => number;
  y: (value: number) => number;
}

function Axes({ xs, ys, x, y }: AxesProps) {
  return (
    <g>
      {ticks(...ys).map((tick) => (
        <g key={tick}>
          <line className="grid" x1={BOX.left} x2={WIDTH - BOX.right} y1={y(tick)} y2={y(tick)} />
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

function padded([low, high]: [number, number], by: number): [number, number] {
  return [Math.max(0, low - by), high + by];
}

function inWords(dot: Dot, isBest: boolean): string {
  const words = `${dot.name}: ${percent(dot.x)} sparse, perplexity ${figure(dot.y)}`;
  return isBest ? `${words}; no other one beats it` : words;
}
