import { Link, useLocation } from "wouter";
import { type Action, isAllowed, useAction, useDeletion, usePin } from "../../api/actions.ts";
import type { Job } from "../../api/client.ts";
import { isFinal } from "../../api/jobs.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { Icon, type IconName } from "../../ui/icon.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { Scoped } from "../../ui/scoped.tsx";
import { useHasFiles } from "./use-has-files.ts";

export function JobActions({ job }: { job: Job }) {
  const [, go] = useLocation();
  const cancel = useAction("cancel");
  const deletion = useDeletion();
  const hasModel = useHasModel(job);
  const failsAgain = job.error !== null && !job.error.retryable;
  return (
    <div className="actions">
      <Scoped scope="jobs:write" to="change or rerun this job">
        <ActionButton job={job} action="retry" label="Retry" icon="retry" isPrimary={!failsAgain} />
        <ActionButton job={job} action="resume" label="Resume" icon="play" isPrimary />
        <ActionButton job={job} action="pause" label="Pause" icon="pause" />
        {isAllowed("cancel", job.status) && (
          <Confirm
            label="Cancel"
            icon="cancel"
            title="Cancel this job?"
            message="The job stops after its current block and produces no files. You can retry it later."
            confirmLabel="Cancel the job"
            cancelLabel="Keep it running"
            isBusy={cancel.isPending}
            onConfirm={() => cancel.mutate(job.id)}
          />
        )}
        <Link className={failsAgain ? "button primary" : "button"} href={`/jobs/${job.id}/rerun`}>
          <Icon name="rerun" />
          Rerun with changes
        </Link>
        {hasModel && (
          <Link className="button" href={furtherHref(job)}>
            <Icon name="rerun" />
            Prune this result further
          </Link>
        )}
        <PinButton job={job} />
        {isFinal(job.status) && (
          <Confirm
            label="Delete"
            title="Delete this job?"
            message="Its files, events and logs are deleted permanently."
            confirmLabel="Delete the job"
            cancelLabel="Keep it"
            isBusy={deletion.isPending}
            onConfirm={() => deletion.mutate(job.id, { onSuccess: () => go("/") })}
          />
        )}
      </Scoped>
      {job.parent_id && (
        <Link className="button" href={`/compare?ids=${job.parent_id},${job.id}`}>
          <Icon name="compare" />
          Compare with original
        </Link>
      )}
      {cancel.error !== null && <ErrorNote error={cancel.error} />}
      {deletion.error !== null && <ErrorNote error={deletion.error} />}
    </div>
  );
}

/** Whether the result is a model that another job can start from. */
function useHasModel(job: Job): boolean {
  return useHasFiles(job) && job.verdict !== "fail" && job.spec.quantize === null;
}

/** The form of a new job that starts from the result, on the same texts. */
function furtherHref({ id, spec }: Job): string {
  const { dataset, text_field, eval_dataset, eval_text_field } = spec;
  const given = { model: `job:${id}`, dataset, text_field, eval_dataset, eval_text_field };
  const set = Object.entries(given).filter(([, value]) => value);
  return `/new?${new URLSearchParams(set as [string, string][])}`;
}

function PinButton({ job }: { job: Job }) {
  const { mutate, isPending, error } = usePin();
  return (
    <>
      <button
        type="button"
        title="No retention rule deletes the files of a pinned job"
        disabled={isPending}
        onClick={() => mutate(job)}
      >
        {job.pinned ? "Unpin" : "Pin"}
      </button>
      {error !== null && <ErrorNote error={error} />}
    </>
  );
}

interface ActionProps {
  job: Job;
  action: Action;
  label: string;
  icon: IconName;
  isPrimary?: boolean;
}

/** A button for an action that needs no confirmation. */
function ActionButton({ job, action, label, icon, isPrimary = false }: ActionProps) {
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
