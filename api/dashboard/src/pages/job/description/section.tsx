import { useState } from "react";
import type { Job } from "../../../api/client.ts";
import { useMay } from "../../../api/keys.ts";
import { figure, NONE } from "../../../format.ts";
import { Icon } from "../../../ui/icon.tsx";
import { useOpener } from "../../../ui/opener.ts";
import { Fact, Facts, Section } from "../../../ui/section.tsx";
import { DescriptionForm } from "./form.tsx";

/** The editable description of a job. */
export function DescriptionSection({ job }: { job: Job }) {
  const [isEdited, edit] = useState(false);
  const mayWrite = useMay("jobs:write");
  const opener = useOpener(isEdited);
  return (
    <Section
      title="Description"
      aside={
        !isEdited &&
        mayWrite && (
          <button type="button" className="small" ref={opener} onClick={() => edit(true)}>
            <Icon name="edit" />
            Edit
          </button>
        )
      }
    >
      {isEdited ? <DescriptionForm job={job} close={() => edit(false)} /> : <Described job={job} />}
    </Section>
  );
}

function Described({ job }: { job: Job }) {
  const labels = Object.entries(job.labels);
  return (
    <>
      <Facts>
        <Fact name="Name">{job.name || NONE}</Fact>
        <Fact name="Priority">{job.priority}</Fact>
        {job.cost && (
          <Fact name="Cost">
            {figure(job.cost.amount)} {job.cost.currency}
          </Fact>
        )}
      </Facts>
      {labels.length > 0 && (
        <ul className="labels" aria-label="Labels">
          {labels.map(([name, value]) => (
            <li key={name} className="tag">
              {value ? `${name}=${value}` : name}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
