import { figure } from "../format.ts";

export interface Bar {
  name: string;
  value: number;
  /** What is written beside the bar, if not its value. */
  text?: string;
  /** The other bars are compared with this one. */
  isReference?: boolean;
  /** Whether the bar is better than the reference, by more than chance. */
  isBetter?: boolean | null;
}

/** Bars that start at zero, so that their lengths are comparable. */
export function Bars({ bars, label }: { bars: Bar[]; label: string }) {
  const longest = Math.max(...bars.map((bar) => bar.value));
  return (
    <ul className="bars" aria-label={label}>
      {bars.map(({ name, value, text, isReference, isBetter = null }) => (
        <li key={name}>
          <span>{name}</span>
          <svg className="track" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
            <rect
              className={classOf(isReference, isBetter)}
              width={(value / longest) * 100}
              height="1"
            />
          </svg>
          <span className="figure">{text ?? figure(value)}</span>
        </li>
      ))}
    </ul>
  );
}

function classOf(isReference = false, isBetter: boolean | null): string {
  if (isReference || isBetter === null) return isReference ? "is-reference" : "";
  return isBetter ? "is-succeeded" : "is-failed";
}
