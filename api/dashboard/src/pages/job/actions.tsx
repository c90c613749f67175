import { useRef } from "react";
import { Link } from "wouter";
import { useAction } from "../../api/actions.ts";
import type { Job } from "../../api/client.ts";
import { isFinal } from "../../api/jobs.ts";
import { Icon } from "../../ui/icon.tsx";
import { ErrorNote } from "../../ui/notes.tsx";

export function JobActions({ job }: { job: Job }) {
  const cancel = useAction("cancel");
  const retry = useAction("retry");
  const error = cancel.error ?? retry.error;
  const isStoppable = !isFinal(job.status) && job.status !== "cancelling";
  const isRetryable = isFinal(job.status) && job.status !== "succeeded";
  return (
    <div className="actions">
      {isStoppable && (
        <CancelButton cancel={() => cancel.mutate(job.id)} isBusy={cancel.isPending} />
      )}
      {isRetryable && (
        <button
          type="button"
          className="primary"
          disabled={retry.isPending}
          onClick={() => retry.mutate(job.id)}
        >
          <Icon name="retry" />
          Retry
        </button>
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
      {error !== null && <ErrorNote error={error} />}
    </div>
  );
}

/** Asks once more: hours of work may hang on it. */
function CancelButton({ cancel, isBusy }: { cancel: () => void; isBusy: boolean }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const sure = () => {
    dialog.current?.close();
    cancel();
  };
  return (
    <>
      <button type="button" disabled={isBusy} onClick={() => dialog.current?.showModal()}>
        <Icon name="cancel" />
        Cancel
      </button>
      <dialog ref={dialog} aria-labelledby="cancel-title">
        <h2 id="cancel-title">Cancel this job?</h2>
        <p>It stops after the block it is in, and leaves no files. A retry starts it again.</p>
        <div className="row">
          <button type="button" className="danger" onClick={sure}>
            Cancel the job
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Let it run
          </button>
        </div>
      </dialog>
    </>
  );
}
