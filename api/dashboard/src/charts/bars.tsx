import { figure } from "../format.ts";

export interface Bar {
  name: string;
  value: number;
  /** The other bars are compared with this one. */
  isReference?: boolean;
}

/** Bars that start at zero, so that their lengths are comparable. */
export function Bars({ bars, label }: { bars: Bar[]; label: string }) {
  const longest = Math.max(...bars.map((bar) => bar.value));
  return (
    <ul className="bars" aria-label={label}>
      {bars.map(({ name, value, isReference }) => (
        <li key={name}>
          <span>{name}</span>
          <svg className="track" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
            <rect
              className={isReference ? "is-reference" : ""}
              width={(value / longest) * 100}
              height="1"
            />
          </svg>
          <span className="figure">{figure(value)}</span>
        </li>
      ))}
    </ul>
  );
}
