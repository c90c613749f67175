import { NONE } from "../../format.ts";
import { Section } from "../../ui/section.tsx";
import { Value } from "../../ui/value.tsx";
import { specRows } from "./compare.ts";
import type { Entry } from "./entries.ts";
import { JobTable } from "./job-table.tsx";

interface Props {
  entries: Entry[];
  showsAll: boolean;
  showAll: (all: boolean) => void;
}

/** The fields of the jobs' specifications; those that differ come first. */
export function Specs({ entries, showsAll, showAll }: Props) {
  const rows = specRows(entries.map(({ job }) => job));
  const shown = rows.filter((row) => showsAll || row.differs);
  return (
    <Section
      title="Configuration"
      aside={
        <label className="row tight">
          <input
            type="checkbox"
            checked={!showsAll}
            onChange={(event) => showAll(!event.target.checked)}
          />
          Differences only
        </label>
      }
    >
      {shown.length === 0 && <p className="faint">The configurations are equal.</p>}
      {shown.length > 0 && (
        <JobTable
          label="Configurations of the jobs"
          entries={entries}
          rows={shown.map(({ name, values, differs }) => ({
            name,
            head: <span className="mono">{name}</span>,
            cells: values.map((value, at) => (
              <td key={entries[at]?.job.id} className={differs ? "differs" : ""}>
                {value ? <Value name={name} value={specOf(entries[at])[name]} /> : NONE}
              </td>
            )),
          }))}
        />
      )}
    </Section>
  );
}

function specOf(entry: Entry | undefined): Record<string, unknown> {
  return { ...entry?.job.spec };
}
