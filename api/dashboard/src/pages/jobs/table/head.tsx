import { nextSort } from "../filters/filter.ts";
import { useFilter } from "../filters/filter-context.ts";
import { select, useSelection } from "../selection.ts";
import type { Column } from "./columns.tsx";
import { type Entry, jobsOf } from "./entries.ts";
import { Tick } from "./tick.tsx";

interface Props {
  columns: Column[];
  entries: Entry[];
  isWhole: boolean;
}

export function Head({ columns, entries, isWhole }: Props) {
  const selection = useSelection();
  const jobs = entries.flatMap(jobsOf);
  const count = jobs.filter((job) => selection.has(job.id)).length;
  return (
    <thead>
      <tr>
        <th scope="col" className="cell-tick">
          <Tick
            name={`Select all ${jobs.length} jobs${isWhole ? "" : " that are loaded"}`}
            count={count}
            of={jobs.length}
            choose={(isSelected) => select(jobs, isSelected)}
          />
        </th>
        {columns.map((column) => (
          <Heading key={column.id} column={column} />
        ))}
      </tr>
    </thead>
  );
}

function Heading({ column: { id, title, sort: metric, isNumber } }: { column: Column }) {
  const { filter, change } = useFilter();
  const className = `cell-${id}${isNumber ? " end" : ""}`;
  if (!metric)
    return (
      <th scope="col" className={className}>
        {id === "next" ? <span className="unseen">{title}</span> : title}
      </th>
    );
  const isDown = filter.sort === `-${metric}`;
  const isSorted = isDown || filter.sort === metric;
  return (
    <th
      scope="col"
      className={className}
      aria-sort={isSorted ? (isDown ? "descending" : "ascending") : undefined}
    >
      <button
        type="button"
        className="sort"
        onClick={() => change({ ...filter, sort: nextSort(filter.sort, metric) })}
      >
        {title}
        <span aria-hidden="true">{isSorted ? (isDown ? " ↓" : " ↑") : " ↕"}</span>
      </button>
    </th>
  );
}
