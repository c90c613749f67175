import type { Job } from "../api/client.ts";
import { percent } from "../format.ts";

export function StatusPill({ status }: { status: string }) {
  return <span className={`pill is-${status}`}>{status}</span>;
}

export function ProgressBar({ job }: { job: Job }) {
  const share = job.status === "succeeded" ? 1 : job.progress.fraction;
  return (
    <progress className={`bar is-${job.status}`} max={1} value={share} aria-label="Progress">
      {percent(share, 0)}
    </progress>
  );
}
