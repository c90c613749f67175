import { useRef, useState } from "react";
import type { Job } from "../../../api/client.ts";
import { NONE } from "../../../format.ts";
import { Icon } from "../../../ui/icon.tsx";
import { Fact, Facts, Section } from "../../../ui/section.tsx";
import { DescriptionForm } from "./form.tsx";

/** What people call the job, to read and to change. */
export function DescriptionSection({ job }: { job: Job }) {
  const [isEdited, edit] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  const close = () => {
    edit(false);
    // The form goes, and the focus with it: back to where it came from.
    requestAnimationFrame(() => opener.current?.focus());
  };
  return (
    <Section
      title="Description"
      aside={
        !isEdited && (
          <button type="button" className="small" ref={opener} onClick={() => edit(true)}>
            <Icon name="edit" />
            Edit
          </button>
        )
      }
    >
      {isEdited ? <DescriptionForm job={job} close={close} /> : <Described job={job} />}
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
