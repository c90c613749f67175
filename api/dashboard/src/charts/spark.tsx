import { extent, linear, path } from "./scale.ts";

const [WIDTH, HEIGHT, PAD] = [88, 22, 3];

/** A sparkline; hidden from screen readers, as the values beside it say the same. */
export function Spark({ values }: { values: (number | null)[] }) {
  const bounds = extent(values);
  if (bounds === null || values.length < 2) return <svg className="spark" aria-hidden="true" />;
  const across = linear(0, values.length - 1);
  const up = linear(bounds[0], bounds[1]);
  const x = (at: number) => PAD + across(at) * (WIDTH - 2 * PAD);
  const y = (value: number) => HEIGHT - PAD - up(value) * (HEIGHT - 2 * PAD);
  const last = values.findLastIndex((value) => value !== null);
  return (
    <svg className="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <path d={path(values, x, y)} />
      <circle cx={x(last)} cy={y(values[last] ?? 0)} r="2" />
    </svg>
  );
}
