import { useState } from "react";
import type { Job } from "../../api/client.ts";
import { isFinal } from "../../api/jobs.ts";
import { canNotify, unwatch, watch, watchedJobs } from "../../live/watched-jobs.ts";

/** A switch for a notification of the browser when the job ends. */
export function NotifySwitch({ job, name }: { job: Job; name: string }) {
  const [isWatched, show] = useState(() => job.id in watchedJobs());
  const [isDenied, deny] = useState(false);
  if (isFinal(job.status) || !canNotify()) return null;
  const change = async (wanted: boolean) => {
    if (!wanted) unwatch(job.id);
    const isGiven = wanted && (await watch(job.id, name));
    show(isGiven);
    deny(wanted && !isGiven);
  };
  return (
    <label className="row tight">
      <input
        type="checkbox"
        checked={isWatched}
        onChange={(event) => void change(event.target.checked)}
      />
      Notify me when it ends
      {isDenied && (
        <span className="problem-word" role="status">
          The browser denies notifications of this site. Allow them in its settings.
        </span>
      )}
    </label>
  );
}
