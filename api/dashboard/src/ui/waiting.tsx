/** What a queued job waits for. */

import { useQuery } from "@tanstack/react-query";
import type { Job } from "../api/client.ts";
import { queues } from "../api/workers.ts";
import { asClause, timeAhead } from "../format.ts";
import { useNow } from "./now.ts";
import { StatusPill } from "./status.tsx";

/** Return whether the time has not come from which a queued job waits for a worker. */
export function isPostponed({ status, not_before }: Job, now: number): boolean {
  return status === "queued" && not_before != null && new Date(not_before).getTime() > now;
}

/** A job's status; a queued job whose time has not come is shown as postponed. */
export function JobStatus({ job }: { job: Job }) {
  return job.status === "queued" ? <QueuedStatus job={job} /> : <StatusPill status={job.status} />;
}

function QueuedStatus({ job }: { job: Job }) {
  return <StatusPill status={isPostponed(job, useNow()) ? "postponed" : "queued"} />;
}

/** What a queued job waits for: a worker, or a time and why; and that none serves its queue. */
export function Waiting({ job }: { job: Job }) {
  const now = useNow();
  const { data = [] } = useQuery(queues);
  const isServed = data.find(({ name }) => name === job.queue)?.workers !== 0;
  const text = isPostponed(job, now) ? startInWords(job, now) : workerInWords(job);
  const unserved = `no worker serves the queue ${job.queue}`;
  return (
    <span className="waiting" title={isServed ? text : `${unserved}; ${text}`}>
      {!isServed && <span className="problem-word">{unserved}; </span>}
      {text}
    </span>
  );
}

function workerInWords(job: Job): string {
  const position = "queue_position" in job ? job.queue_position : null;
  const place = typeof position === "number" ? `, number ${position} in the queue` : "";
  return `waits for a worker${place}`;
}

function startInWords({ postponed, not_before }: Job, now: number): string {
  if (!postponed) return `starts at ${timeAhead(not_before ?? "", now)}, as requested`;
  const { until, attempt, attempts, error } = postponed;
  const reason = error ? `: ${asClause(error.title)}` : "";
  return `tries again at ${timeAhead(until, now)}, attempt ${attempt} of ${attempts}${reason}`;
}
