import { useState } from "react";
import { Link } from "wouter";
import { useAction } from "../../api/actions.ts";
import type { Job } from "../../api/client.ts";
import { isFinal } from "../../api/jobs.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { Icon } from "../../ui/icon.tsx";
import { ErrorNote } from "../../ui/notes.tsx";

const MOST_COMPARED = 20;

interface Props {
  jobs: Job[];
  clear: () => void;
}

/** What can be done to the chosen jobs together. */
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
    <section className="bulk" aria-label="Chosen jobs">
      <span role="status">{jobs.length === 1 ? "1 job chosen" : `${jobs.length} jobs chosen`}</span>
      {jobs.length >= 2 && jobs.length <= MOST_COMPARED && (
        <Link className="button" href={`/compare?ids=${jobs.map((job) => job.id).join(",")}`}>
          <Icon name="compare" />
          Compare
        </Link>
      )}
      {jobs.length > MOST_COMPARED && <span className="faint">At most 20 can be compared</span>}
      {stoppable.length > 0 && (
        <Confirm
          label={`Cancel ${stoppable.length}`}
          icon="cancel"
          title={isOne ? "Cancel this job?" : `Cancel ${stoppable.length} jobs?`}
          words={`${isOne ? "It" : "Each"} stops after the block it is in, and leaves no files. A retry starts it again.`}
          yes={isOne ? "Cancel the job" : "Cancel the jobs"}
          no={isOne ? "Let it be" : "Let them be"}
          isBusy={cancel.isPending}
          done={cancelAll}
        />
      )}
      <button type="button" className="quiet" onClick={clear}>
        Choose none
      </button>
      {failed !== null && <ErrorNote error={failed} />}
    </section>
  );
}
