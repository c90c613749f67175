/** The contents of the cells of a row that stands for a sweep. */

import { Link } from "wouter";
import type { Job } from "../../../api/client.ts";
import { number } from "../../../api/jobs.ts";
import { figure, modelName, NONE } from "../../../format.ts";

export function SweepName({ jobs }: { jobs: Job[] }) {
  return (
    <span className="job-name">
      <Link href={`/sweeps/${jobs[0]?.sweep_id}`}>{sweepTitle(jobs)}</Link>{" "}
      <span className="faint">{jobs.length} jobs</span>
    </span>
  );
}

export function sweepTitle([first]: Job[]): string {
  return first ? `Sweep ${first.name || modelName(first.spec.model)}` : "Sweep";
}

export function SweepStatuses({ jobs }: { jobs: Job[] }) {
  const counts = countBy(jobs, (job) => job.status);
  const said = counts.map(([status, count]) => `${count} ${status}`).join(", ");
  return (
    <span className="row tight counts" title={said}>
      <span className="unseen">{said}</span>
      {counts.map(([status, count]) => (
        <span key={status} className={`pill is-${status}`} aria-hidden="true">
          {count}
        </span>
      ))}
    </span>
  );
}

export function SweepVerdicts({ jobs }: { jobs: Job[] }) {
  const counts = new Map(countBy(jobs, (job) => job.verdict));
  const passed = counts.get("pass") ?? 0;
  const failed = counts.get("fail") ?? 0;
  if (passed + failed === 0) return <span className="faint">{NONE}</span>;
  return (
    <span>
      {passed > 0 && <span className="is-succeeded tone">{passed} passed</span>}
      {passed > 0 && failed > 0 && ", "}
      {failed > 0 && <span className="is-failed tone">{failed} failed</span>}
    </span>
  );
}

/** The lowest value of a metric. */
export function Best({ jobs, name }: { jobs: Job[]; name: string }) {
  const values = jobs.flatMap((job) => number(job.result?.[name]) ?? []);
  if (values.length === 0) return NONE;
  return <span title="The lowest of this sweep">≥ {figure(Math.min(...values))}</span>;
}

function countBy(jobs: Job[], key: (job: Job) => string): [string, number][] {
  const counts = new Map<string, number>();
  for (const job of jobs) counts.set(key(job), (counts.get(key(job)) ?? 0) + 1);
  return [...counts];
}
