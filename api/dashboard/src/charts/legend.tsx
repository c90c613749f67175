import { classesOf, shapeOf } from "./look.ts";
import type { Series } from "./series.ts";

interface Props {
  series: Series[];
  hidden: ReadonlySet<string>;
  hide: (hidden: ReadonlySet<string>) => void;
}

/** The names of several series; each is a button that hides its series. */
export function Legend({ series, hidden, hide }: Props) {
  if (series.length < 2) return <span />;
  const toggle = (name: string) => {
    const next = new Set(hidden);
    if (!next.delete(name)) next.add(name);
    hide(next);
  };
  return (
    <ul className="legend" aria-label="Shown in the chart">
      {series.map(({ name, kind, style }) => (
        <li key={name}>
          <button
            type="button"
            className="quiet small"
            aria-pressed={!hidden.has(name)}
            onClick={() => toggle(name)}
          >
            <Swatch kind={kind} style={style} />
            {name}
          </button>
        </li>
      ))}
    </ul>
  );
}

/** A sample of a style: a line, or a dot. */
export function Swatch({
  style,
  kind = "line",
}: Pick<Series, "style"> & { kind?: Series["kind"] }) {
  return (
    <svg className="swatch" viewBox="0 0 24 10" aria-hidden="true">
      {kind === "line" ? (
        <path className={classesOf(style)} d="M0,5L24,5" />
      ) : (
        <polygon
          className={`dot ${classesOf(style)}`}
          points={shapeOf(style)
            .map(([x, y]) => `${12 + 4 * x},${5 + 4 * y}`)
            .join(" ")}
        />
      )}
    </svg>
  );
}
