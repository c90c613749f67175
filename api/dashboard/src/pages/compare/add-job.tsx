import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { comparableJobs } from "../../api/compare.ts";
import { figure, percent } from "../../format.ts";
import { TextField } from "../../ui/field.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { useDebounced } from "../submit/use-debounced.ts";
import { nameOf } from "./entries.ts";

interface Props {
  known: string[];
  add: (id: string) => void;
}

/** Finds jobs that have succeeded, to compare them as well. */
export function AddJob({ known, add }: Props) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details className="add-job" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Add a job</summary>
      {isOpen && <Search known={known} add={add} />}
    </details>
  );
}

function Search({ known, add }: Props) {
  const [text, setText] = useState("");
  const sought: string = JSON.parse(useDebounced(JSON.stringify(text))) ?? "";
  const found = useQuery({ ...comparableJobs(sought), placeholderData: keepPreviousData });
  const offered = found.data?.filter(({ id }) => !known.includes(id)) ?? [];
  return (
    <div className="stack tight">
      <TextField
        label="Search jobs that have succeeded"
        help="A part of the name or the model."
        value={text}
        change={setText}
      />
      {found.error !== null && <ErrorNote error={found.error} />}
      {found.data && offered.length === 0 && <p className="faint">No jobs match.</p>}
      <ul className="chosen">
        {offered.map((job) => (
          <li key={job.id}>
            <button type="button" className="small" onClick={() => add(job.id)}>
              Add {nameOf(job)}
            </button>
            <span className="faint">
              reduction {percent(job.reduction)} by {job.spec.method}, perplexity{" "}
              {figure(job.result?.pruned_perplexity as number | undefined)}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
