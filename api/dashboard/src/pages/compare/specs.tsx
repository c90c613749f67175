import { useQuery } from "@tanstack/react-query";
import { methods } from "../../api/methods.ts";
import { jobFields, plainFields } from "../../spec/fields.ts";
import { Loading } from "../../ui/notes.tsx";
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
  const { data, isPending } = useQuery(methods);
  const jobs = entries.map(({ job }) => job);
  const rows = specRows(jobs, data ? jobFields(data) : plainFields(jobs[0]?.spec ?? {}));
  const shown = rows.filter((row) => !isPending && (showsAll || row.differs));
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
      {isPending && <Loading what="the fields" lines={3} />}
      {shown.length === 0 && !isPending && <p className="faint">The configurations are equal.</p>}
      {shown.length > 0 && (
        <JobTable
          label="Configurations of the jobs"
          entries={entries}
          rows={shown.map(({ name, label, values, differs }) => ({
            name,
            head: label,
            cells: values.map((value, at) => (
              <td key={entries[at]?.job.id} className={differs ? "differs" : ""}>
                <Value name={name} value={value} />
              </td>
            )),
          }))}
        />
      )}
    </Section>
  );
}
