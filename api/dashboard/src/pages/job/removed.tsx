import type { RemovedUnits } from "../../api/jobs.ts";
import { count } from "../../format.ts";

/** How many units a block lost, in all its modules. */
export function removedText(modules: RemovedUnits[]): string {
  const total = (of: (one: RemovedUnits) => number) =>
    modules.reduce((sum, one) => sum + of(one), 0);
  return `${count(total((one) => one.count))} of ${count(total((one) => one.units))} units removed`;
}

/** The removed units of each module, as ranges of their indices. */
export function Removed({ modules }: { modules: RemovedUnits[] }) {
  return (
    <details>
      <summary>Removed units</summary>
      <ul>
        {modules.map((one) => (
          <li key={one.name}>
            <span className="mono">{one.name}</span>: {count(one.count)} of {count(one.units)}
            {one.ranges.length > 0 && (
              <span className="faint figure"> {one.ranges.map(rangeText).join(", ")}</span>
            )}
          </li>
        ))}
      </ul>
    </details>
  );
}

/** Write a range, which includes its first index but not its end. */
function rangeText([start, end]: [number, number]): string {
  return end === start + 1 ? String(start) : `${start}–${end - 1}`;
}
