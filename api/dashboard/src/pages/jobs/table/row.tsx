import { memo } from "react";
import { useSelection } from "../selection.ts";
import { jobTitle } from "./cells.tsx";
import type { Column } from "./columns.tsx";
import { type Entry, jobsOf } from "./entries.ts";
import { sweepTitle } from "./sweep-cells.tsx";
import { Tick } from "./tick.tsx";

/** Selects a row or not; as a range, with all rows from the one before to it. */
export type Choose = (entry: Entry, isSelected: boolean, isRange: boolean) => void;

interface Props {
  entry: Entry;
  index: number;
  columns: Column[];
  isOpen: boolean;
  toggle: (id: string) => void;
  choose: Choose;
}

/** A job, or a sweep with its jobs folded. */
export const Row = memo(function Row({ entry, index, columns, isOpen, toggle, choose }: Props) {
  const selection = useSelection();
  const jobs = jobsOf(entry);
  const count = jobs.filter((job) => selection.has(job.id)).length;
  const title = entry.kind === "job" ? entry.name || jobTitle(entry.job) : sweepTitle(entry.jobs);
  const kind = entry.kind === "sweep" ? "is-sweep" : entry.within ? "is-point" : "";
  return (
    <tr
      className={`job-row ${kind} ${count > 0 ? "is-chosen" : ""}`}
      aria-rowindex={index + 2} // the head is the first
    >
      <td className="cell-tick">
        <Tick
          name={`Select ${title}`}
          count={count}
          of={jobs.length}
          choose={(isSelected, isRange) => choose(entry, isSelected, isRange)}
        />
      </td>
      {columns.map(({ id, isNumber, job, sweep }) => (
        <td key={id} className={`cell-${id}${isNumber ? " end" : ""}`}>
          {id === "name" && entry.kind === "sweep" && (
            <button
              type="button"
              className="fold"
              aria-expanded={isOpen}
              aria-label={`${isOpen ? "Fold" : "Unfold"} ${title}`}
              onClick={() => toggle(entry.id)}
            >
              {isOpen ? "▾" : "▸"}
            </button>
          )}
          {entry.kind === "job" ? job(entry.job, entry.name) : sweep?.(entry.jobs)}
        </td>
      ))}
    </tr>
  );
});
