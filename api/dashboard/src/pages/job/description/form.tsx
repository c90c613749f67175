import { type FormEvent, type KeyboardEvent, useRef, useState } from "react";
import type { Job } from "../../../api/client.ts";
import { ConflictError, type Description, useDescription } from "../../../api/description.ts";
import { fieldProblems } from "../../../api/problem.ts";
import { TextField } from "../../../ui/field.tsx";
import { useFocus } from "../../../ui/focus.ts";
import { ErrorNote, Warning } from "../../../ui/notes.tsx";
import { draftOf, labelProblems, patchOf, rebased } from "./draft.ts";
import { LabelLines } from "./labels.tsx";

export function DescriptionForm({ job, close }: { job: Job; close: () => void }) {
  // The description when the form was opened: later changes must not overwrite the draft.
  const [shown, setShown] = useState<Description>(job);
  const [draft, setDraft] = useState(() => draftOf(job));
  const { mutate, error, isPending, reset } = useDescription(job.id, close);
  const first = useRef<HTMLInputElement>(null);
  useFocus(first);

  const problems = fieldProblems(error);
  const wrongLabels = labelProblems(draft.labels, error);
  const isOnField = wrongLabels.size > 0 || "name" in problems || "priority" in problems;
  const save = (event: FormEvent) => {
    event.preventDefault();
    if (labelProblems(draft.labels, null).size > 0) return;
    const patch = patchOf(shown, draft);
    if (Object.keys(patch).length === 0) close();
    else mutate({ shown, patch });
  };
  const rebase = (now: Job) => {
    setShown(now);
    setDraft(rebased(shown, draft, now));
    reset();
    first.current?.focus();
  };
  const closeOnEscape = (event: KeyboardEvent) => {
    if (event.key === "Escape") close();
  };
  return (
    <form className="stack" onSubmit={save} onKeyDown={closeOnEscape} noValidate>
      <TextField
        label="Name"
        ref={first}
        value={draft.name}
        problem={problems.name}
        change={(name) => setDraft({ ...draft, name })}
      />
      <TextField
        label="Priority"
        help="From -10 to 10; higher priorities run first. A change does not affect a job that is already running."
        inputMode="numeric"
        value={draft.priority}
        problem={problems.priority}
        change={(priority) => setDraft({ ...draft, priority })}
      />
      <LabelLines
        labels={draft.labels}
        problems={wrongLabels}
        change={(labels) => setDraft({ ...draft, labels })}
      />
      {error instanceof ConflictError ? (
        <Conflict job={error.job} rebase={() => rebase(error.job)} />
      ) : (
        error !== null && !isOnField && <ErrorNote error={error} />
      )}
      <div className="row">
        <button type="submit" className="primary" disabled={isPending}>
          Save
        </button>
        <button type="button" onClick={close}>
          Cancel
        </button>
      </div>
    </form>
  );
}

function Conflict({ job, rebase }: { job: Job; rebase: () => void }) {
  const labels = Object.entries(job.labels).map(([name, value]) => `${name}=${value}`);
  return (
    <div role="alert">
      <Warning>
        <strong>Another person has changed this job</strong>
        <p className="wrap">
          The name is now {job.name ? `“${job.name}”` : "removed"}, the priority {job.priority},{" "}
          {labels.length > 0 ? `the labels ${labels.join(", ")}` : "and there are no labels"}. Your
          changes were not saved; they stay in the form.
        </p>
        <button type="button" onClick={rebase}>
          Show the changes
        </button>
      </Warning>
    </div>
  );
}
