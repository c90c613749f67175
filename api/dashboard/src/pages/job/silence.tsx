import { useQuery } from "@tanstack/react-query";
import type { Job, JobEvent } from "../../api/client.ts";
import { silenceOf, type Worker, workers } from "../../api/workers.ts";
import { clock, secondsBetween, wholeSeconds } from "../../format.ts";
import { Icon } from "../../ui/icon.tsx";
import { useNow } from "../../ui/now.ts";
import { finishedBlocks } from "./kept.ts";

/** After a claim, the worker reports the job at once. */
const CLAIMED_S = 10;
const HELD = new Set(["running", "pausing", "cancelling"]);

/** Says that the worker of a job has been silent, and what happens next. */
export function Silence({ job, events }: { job: Job; events: JobEvent[] }) {
  const isHeld = HELD.has(job.status);
  const { data, dataUpdatedAt } = useQuery({ ...workers, enabled: isHeld });
  const now = useNow();
  if (!isHeld || data === undefined) return null;
  const worker = data.find((one) => one.job_id === job.id);
  const silence = worker ? silenceOf(worker, dataUpdatedAt, now) : null;
  const isUnreported =
    worker === undefined && (secondsBetween(job.updated_at, dataUpdatedAt) ?? 0) > CLAIMED_S;
  if (silence === null && !isUnreported) return null;
  const kept = finishedBlocks(events, job.attempt);
  return (
    <div className="note is-failed">
      <Icon name="warning" />
      <div>
        <strong>
          {silence === null
            ? "No worker reports this job"
            : `No heartbeat for ${wholeSeconds(silence)}`}
        </strong>
        <p className="unseen" role="alert">
          The worker of this job is silent.
        </p>
        <p>
          {worker
            ? `Worker ${worker.name} is silent.`
            : `Its worker ${job.worker ?? ""} has ended.`}{" "}
          {nextInWords(job, worker, now)}
          {kept > 0 && job.status !== "cancelling" && ` ${keptInWords(kept)}`}
        </p>
      </div>
    </div>
  );
}

function keptInWords(blocks: number): string {
  return blocks === 1 ? "Its finished block is kept." : `Its ${blocks} finished blocks are kept.`;
}

const AFTERWARDS: Record<string, string> = {
  running: "queued again",
  pausing: "paused",
  cancelling: "cancelled",
};

function nextInWords(job: Job, worker: Worker | undefined, now: number): string {
  const next = AFTERWARDS[job.status];
  const until = worker?.job?.lease_until;
  if (!until) return `Within about a minute, the job is ${next}.`;
  const left = secondsBetween(new Date(now).toISOString(), until) ?? 0;
  if (left <= 0) return `Its lease has ended: the job is being ${next}.`;
  const at = `at ${clock(until)}, in ${wholeSeconds(Math.ceil(left))}`;
  return `If it stays silent, the job is ${next} ${at}.`;
}
