import { NONE } from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";
import { Value } from "../../ui/value.tsx";
import { specRows } from "./compare.ts";
import type { Entry } from "./entries.ts";
import { JobHeaders } from "./headers.tsx";

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
        <Scroll label="Configurations of the jobs">
          <table className="compare">
            <JobHeaders entries={entries} />
            <tbody>
              {shown.map(({ name, values, differs }) => (
                <tr key={name} className={differs ? "differs" : ""}>
                  <th scope="row" className="mono">
                    {name}
                  </th>
                  {values.map((value, at) => (
                    <td key={entries[at]?.job.id}>
                      {value ? <Value name={name} value={specOf(entries[at])[name]} /> : NONE}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Section>
  );
}

function specOf(entry: Entry | undefined): Record<string, unknown> {
  return { ...entry?.job.spec };
}
