import { Link, useLocation } from "wouter";
import { type Action, isAllowed, useAction, useDeletion } from "../../api/actions.ts";
import type { Job } from "../../api/client.ts";
import { isFinal } from "../../api/jobs.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { Icon, type IconName } from "../../ui/icon.tsx";
import { ErrorNote } from "../../ui/notes.tsx";

export function JobActions({ job }: { job: Job }) {
  const [, go] = useLocation();
  const cancel = useAction("cancel");
  const deletion = useDeletion(() => go("/"));
  return (
    <div className="actions">
      <Simple job={job} action="retry" label="Retry" icon="retry" isPrimary />
      <Simple job={job} action="resume" label="Resume" icon="play" isPrimary />
      <Simple job={job} action="pause" label="Pause" icon="pause" />
      {isAllowed("cancel", job.status) && (
        <Confirm
          label="Cancel"
          icon="cancel"
          title="Cancel this job?"
          words="It stops after the block it is in, and leaves no files. A retry starts it again."
          yes="Cancel the job"
          no="Let it be"
          isBusy={cancel.isPending}
          done={() => cancel.mutate(job.id)}
        />
      )}
      <Link className="button" href={`/jobs/${job.id}/rerun`}>
        <Icon name="rerun" />
        Run again with changes
      </Link>
      {job.parent_id && (
        <Link className="button" href={`/compare?ids=${job.parent_id},${job.id}`}>
          <Icon name="compare" />
          Compare with its original
        </Link>
      )}
      {isFinal(job.status) && (
        <Confirm
          label="Delete"
          title="Delete this job?"
          words="Its files, events and logs go with it, for good."
          yes="Delete the job"
          no="Keep it"
          isBusy={deletion.isPending}
          done={() => deletion.mutate(job.id)}
        />
      )}
      {cancel.error !== null && <ErrorNote error={cancel.error} />}
      {deletion.error !== null && <ErrorNote error={deletion.error} />}
    </div>
  );
}

interface SimpleProps {
  job: Job;
  action: Action;
  label: string;
  icon: IconName;
  isPrimary?: boolean;
}

/** What can be taken back is done at once. */
function Simple({ job, action, label, icon, isPrimary = false }: SimpleProps) {
  const { mutate, isPending, error } = useAction(action);
  return (
    <>
      {isAllowed(action, job.status) && (
        <button
          type="button"
          className={isPrimary ? "primary" : ""}
          disabled={isPending}
          onClick={() => mutate(job.id)}
        >
          <Icon name={icon} />
          {label}
        </button>
      )}
      {error !== null && <ErrorNote error={error} />}
    </>
  );
}
