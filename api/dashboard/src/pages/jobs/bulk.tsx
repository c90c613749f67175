import { useState } from "react";
import { Link } from "wouter";
import { isAllowed } from "../../api/actions.ts";
import { type Bulk, type Failure, useBulk } from "../../api/bulk.ts";
import type { Job } from "../../api/client.ts";
import { isFinal } from "../../api/jobs.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Scoped } from "../../ui/scoped.tsx";
import { LabelForm } from "./label-form.tsx";
import { clearSelection, select, useSelection } from "./selection.ts";
import { jobTitle } from "./table/cells.tsx";

const MAX_COMPARED = 20;
const MAX_REASONS = 5;

/** Actions for the selected jobs, of which `listed` has the present state of some. */
export function BulkBar({ listed }: { listed: Job[] }) {
  const selection = useSelection();
  const bulk = useBulk();
  const [failures, setFailures] = useState<Failure[]>([]);
  const present = new Map(listed.map((job) => [job.id, job]));
  const jobs = [...selection.values()].map((job) => present.get(job.id) ?? job);
  if (jobs.length === 0) return null;
  const run = async (chosen: Job[], action: Bulk) => {
    const { done, failed } = await bulk.run(chosen, action);
    setFailures(failed);
    if (action.kind === "delete") select(done, false);
    else
      select(
        done.filter((job) => selection.has(job.id)),
        true,
      );
  };
  return (
    <section className="bulk" aria-label="Selected jobs">
      <span role="status">
        {jobs.length === 1 ? "1 job selected" : `${jobs.length} jobs selected`}
        {bulk.left > 0 && `, ${bulk.left} left to change`}
      </span>
      <Compare jobs={jobs} />
      <Scoped scope="jobs:write" to="change jobs">
        <Actions jobs={jobs} isBusy={bulk.left > 0} run={run} />
      </Scoped>
      <button type="button" className="quiet" onClick={clearSelection}>
        Clear selection
      </button>
      {failures.length > 0 && <Failures failures={failures} />}
    </section>
  );
}

function Compare({ jobs }: { jobs: Job[] }) {
  if (jobs.length > MAX_COMPARED)
    return <span className="faint">Compare at most {MAX_COMPARED} jobs</span>;
  return (
    jobs.length >= 2 && (
      <Link className="button" href={`/compare?ids=${jobs.map((job) => job.id).join(",")}`}>
        <Icon name="compare" />
        Compare
      </Link>
    )
  );
}

interface ActionsProps {
  jobs: Job[];
  isBusy: boolean;
  run: (jobs: Job[], action: Bulk) => Promise<void>;
}

function Actions({ jobs, isBusy, run }: ActionsProps) {
  const stoppable = jobs.filter((job) => isAllowed("cancel", job.status));
  const ended = jobs.filter((job) => isAllowed("retry", job.status));
  const final = jobs.filter((job) => isFinal(job.status));
  return (
    <>
      {stoppable.length > 0 && (
        <Confirm
          label={`Cancel ${stoppable.length}`}
          icon="cancel"
          title={stoppable.length === 1 ? "Cancel this job?" : `Cancel ${stoppable.length} jobs?`}
          message={`${stoppable.length === 1 ? "The job" : "Each job"} stops after its current block and produces no files. You can retry it later.`}
          confirmLabel={stoppable.length === 1 ? "Cancel the job" : "Cancel the jobs"}
          cancelLabel={stoppable.length === 1 ? "Keep it running" : "Keep them running"}
          isBusy={isBusy}
          onConfirm={() => run(stoppable, { kind: "cancel" })}
        />
      )}
      {ended.length > 0 && (
        <Confirm
          label={`Retry ${ended.length}`}
          icon="retry"
          title={ended.length === 1 ? "Retry this job?" : `Retry ${ended.length} jobs?`}
          message={retryMessage(ended)}
          confirmLabel={ended.length === 1 ? "Retry the job" : "Retry the jobs"}
          cancelLabel="Do not retry"
          isBusy={isBusy}
          onConfirm={() => run(ended, { kind: "retry" })}
        />
      )}
      <LabelForm jobs={jobs} isBusy={isBusy} run={(action) => run(jobs, action)} />
      {final.length > 0 && (
        <Confirm
          label={`Delete ${final.length}`}
          title={final.length === 1 ? "Delete this job?" : `Delete ${final.length} jobs?`}
          message="Files, events and logs are deleted permanently."
          confirmLabel={final.length === 1 ? "Delete the job" : "Delete the jobs"}
          cancelLabel={final.length === 1 ? "Keep it" : "Keep them"}
          isBusy={isBusy}
          onConfirm={() => run(final, { kind: "delete" })}
        />
      )}
    </>
  );
}

function retryMessage(jobs: Job[]): string {
  const hopeless = jobs.filter((job) => job.error && !job.error.retryable).length;
  const start = "Each job continues after its last finished block.";
  if (hopeless === 0) return start;
  return `${start} ${hopeless} of them failed for a reason that a retry does not change.`;
}

function Failures({ failures }: { failures: Failure[] }) {
  return (
    <div className="note is-failed" role="alert">
      <Icon name="warning" />
      <ul>
        {failures.slice(0, MAX_REASONS).map(({ job, error }) => (
          <li key={job.id}>
            {jobTitle(job)}: {error.message}
          </li>
        ))}
        {failures.length > MAX_REASONS && <li>and {failures.length - MAX_REASONS} more</li>}
      </ul>
    </div>
  );
}
