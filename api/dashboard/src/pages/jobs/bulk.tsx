import { useState } from "react";
import { Link } from "wouter";
import { useAction } from "../../api/actions.ts";
import type { Job } from "../../api/client.ts";
import { isFinal } from "../../api/jobs.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { Icon } from "../../ui/icon.tsx";
import { ErrorNote } from "../../ui/notes.tsx";

const MAX_COMPARED = 20;

interface Props {
  jobs: Job[];
  clear: () => void;
}

/** Actions for the selected jobs. */
export function BulkBar({ jobs, clear }: Props) {
  const cancel = useAction("cancel");
  const [failed, setFailed] = useState<unknown>(null);
  const stoppable = jobs.filter((job) => !isFinal(job.status) && job.status !== "cancelling");
  const isOne = stoppable.length === 1;
  const cancelAll = async () => {
    setFailed(null);
    const done = await Promise.allSettled(stoppable.map((job) => cancel.mutateAsync(job.id)));
    setFailed(done.find((one) => one.status === "rejected")?.reason ?? null);
  };
  if (jobs.length === 0) return null;
  return (
    <section className="bulk" aria-label="Selected jobs">
      <span role="status">
        {jobs.length === 1 ? "1 job selected" : `${jobs.length} jobs selected`}
      </span>
      {jobs.length >= 2 && jobs.length <= MAX_COMPARED && (
        <Link className="button" href={`/compare?ids=${jobs.map((job) => job.id).join(",")}`}>
          <Icon name="compare" />
          Compare
        </Link>
      )}
      {jobs.length > MAX_COMPARED && <span className="faint">Compare at most 20 jobs</span>}
      {stoppable.length > 0 && (
        <Confirm
          label={`Cancel ${stoppable.length}`}
          icon="cancel"
          title={isOne ? "Cancel this job?" : `Cancel ${stoppable.length} jobs?`}
          message={`${isOne ? "The job" : "Each job"} stops after its current block and produces no files. You can retry it later.`}
          confirmLabel={isOne ? "Cancel the job" : "Cancel the jobs"}
          cancelLabel={isOne ? "Keep it running" : "Keep them running"}
          isBusy={cancel.isPending}
          onConfirm={cancelAll}
        />
      )}
      <button type="button" className="quiet" onClick={clear}>
        Clear selection
      </button>
      {failed !== null && <ErrorNote error={failed} />}
    </section>
  );
}
