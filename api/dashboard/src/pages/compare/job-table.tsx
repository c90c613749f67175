import { Fragment, type ReactNode } from "react";
import { Link } from "wouter";
import { Swatch } from "../../charts/legend.tsx";
import { Scroll } from "../../ui/scroll.tsx";
import type { Entry } from "./entries.ts";

/** From one job more on, each job is a row. */
const MOST_COLUMNS = 4;

/** What is compared: its name, and a `td` for each job. */
export interface Compared {
  name: string;
  head: ReactNode;
  cells: ReactNode[];
}

interface Props {
  label: string;
  entries: Entry[];
  rows: Compared[];
}

/** A table with a column for each job, or a row for each if there are many. */
export function JobTable({ label, entries, rows }: Props) {
  const hasJobRows = entries.length > MOST_COLUMNS;
  return (
    <Scroll label={label}>
      <table className={hasJobRows ? "compare has-job-rows" : "compare"}>
        <thead>
          <tr>
            <td />
            {hasJobRows
              ? rows.map(({ name, head }) => (
                  <th key={name} scope="col">
                    {head}
                  </th>
                ))
              : entries.map((entry) => (
                  <th key={entry.job.id} scope="col">
                    <JobHead entry={entry} />
                  </th>
                ))}
          </tr>
        </thead>
        <tbody>
          {hasJobRows
            ? entries.map((entry, at) => (
                <tr key={entry.job.id}>
                  <th scope="row">
                    <JobHead entry={entry} />
                  </th>
                  {rows.map(({ name, cells }) => (
                    <Fragment key={name}>{cells[at]}</Fragment>
                  ))}
                </tr>
              ))
            : rows.map(({ name, head, cells }) => (
                <tr key={name}>
                  <th scope="row">{head}</th>
                  {cells}
                </tr>
              ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function JobHead({ entry: { job, name, style, isBaseline, obstacles } }: { entry: Entry }) {
  return (
    <>
      <Swatch kind="dots" style={style} />
      <Link href={`/jobs/${job.id}`}>{name}</Link>
      {isBaseline && <span className="tag">baseline</span>}
      {obstacles !== null && obstacles.length > 0 && <span className="tag">not comparable</span>}
    </>
  );
}
