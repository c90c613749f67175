/** The contents of the table's cells for one job. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { useAction } from "../../../api/actions.ts";
import type { Job } from "../../../api/client.ts";
import { isFinal, jobBlocks, jobById } from "../../../api/jobs.ts";
import { keys, useMay } from "../../../api/keys.ts";
import { Spark } from "../../../charts/spark.tsx";
import {
  blocksInWords,
  duration,
  figures,
  modelName,
  NONE,
  percent,
  secondsBetween,
  shortId,
} from "../../../format.ts";
import { intervalInWords, metricInWords } from "../../../spec/gate.ts";
import { useNow } from "../../../ui/now.ts";
import { ProgressBar } from "../../../ui/status.tsx";
import { useStays } from "../../../ui/stays.ts";
import { Waiting } from "../../../ui/waiting.tsx";
import { useFailedOutputs } from "../../job/failed-outputs.ts";
import { withLabel } from "../filters/filter.ts";
import { useFilter } from "../filters/filter-context.ts";

export function Name({ job, name }: { job: Job; name?: string }) {
  return (
    <span className="job-name">
      <Link href={`/jobs/${job.id}`} title={`${jobTitle(job)}, ${job.spec.model}`}>
        {name || jobTitle(job)}
      </Link>{" "}
      <span className="faint mono" title={job.id}>
        {shortId(job.id)}
      </span>
    </span>
  );
}

export function jobTitle(job: Job): string {
  return job.name || modelName(job.spec.model);
}

export function Gate({ job: { verdict } }: { job: Job }) {
  if (verdict === "none") return <span className="faint">{NONE}</span>;
  const isPassed = verdict === "pass";
  return (
    <span className={`pill ${isPassed ? "is-succeeded" : "is-failed"}`}>
      <span className="unseen">gate </span>
      {isPassed ? "passed" : "failed"}
    </span>
  );
}

/** Whether a job has a next step. */
export function hasStep({ status }: Job): boolean {
  return status === "failed" || status === "paused";
}

/** Whether there is more to say of a job than its status and its figures. */
export function hasOutcome(job: Job): boolean {
  const hasOutputs = (job.spec.output ?? []).length > 0;
  return !isFinal(job.status) || job.error !== null || job.gate_failures.length > 0 || hasOutputs;
}

/** The progress of a job, the reason of its failure, or the bounds of its gate that it missed. */
export function Outcome({ job }: { job: Job }) {
  if (job.error) {
    const reason = `${job.error.title}: ${job.error.detail}`;
    return (
      <span className="problem-word" title={reason}>
        {reason}
      </span>
    );
  }
  if (job.gate_failures.length > 0) {
    const missed = job.gate_failures.map(missedBound).join("; ");
    return (
      <span className="problem-word" title={missed}>
        {missed}
      </span>
    );
  }
  if (isFinal(job.status)) return <FailedOutputs job={job} />;
  const { block, eta_seconds: eta } = job.progress;
  if (job.status === "queued" && !block) return <Waiting job={job} />;
  return (
    <span className="job-progress">
      <ProgressBar job={job} />
      <span className="faint">
        {block ? blocksInWords(job.status, block) : (job.phase ?? "waiting")}
        {eta != null && ` · ${duration(eta.p50)} left`}
      </span>
    </span>
  );
}

function FailedOutputs({ job }: { job: Job }) {
  const failed = useFailedOutputs(job, useStays());
  return failed && <span className="problem-word">{failed}</span>;
}

function missedBound({
  metric,
  bound,
  wanted,
  got,
  interval,
}: Job["gate_failures"][number]): string {
  const name = metricInWords(metric);
  const [is, least] = figures(got ?? wanted, wanted);
  const limit = `${bound === "max" ? "at most" : "at least"} ${least}`;
  return got === null
    ? `${name} was not measured, wanted ${limit}`
    : `${name} is ${is}${intervalInWords(interval)}, wanted ${limit}`;
}

/** How much of the model a job has saved; while that is unknown, the share that was asked for. */
export function Reduction({ job: { reduction, spec, result } }: { job: Job }) {
  if (reduction !== null || result !== null) return percent(reduction);
  return (
    <span className="faint" title="As requested">
      {requested(spec)}
    </span>
  );
}

function requested({ sparsity, ratio, experts, target }: Job["spec"]): string {
  if (target != null) return "to a size";
  return experts == null ? percent(sparsity || ratio) : `${experts} experts`;
}

/** The output error by block, for jobs that have finished blocks. */
export function ErrorLine({ job }: { job: Job }) {
  const hasBlocks = job.status !== "queued" && job.progress.fraction > 0;
  const isOver = isFinal(job.status);
  const stays = useStays();
  const blocks = jobBlocks(job.id, false);
  const { data = [] } = useQuery({
    ...blocks,
    queryKey: [...blocks.queryKey, isOver], // refetched once at the end, then constant
    enabled: stays && hasBlocks,
    placeholderData: keepPreviousData,
    staleTime: isOver ? Number.POSITIVE_INFINITY : 0,
  });
  return (
    <span title="Error after each block">
      <Spark values={data.map((one) => one.error)} />
    </span>
  );
}

/** The time from the start to the end, or until now. */
export function Took({ job }: { job: Job }) {
  if (job.finished_at) return duration(secondsBetween(job.started_at, job.finished_at));
  return job.status === "running" && job.started_at ? <Elapsed since={job.started_at} /> : NONE;
}

function Elapsed({ since }: { since: string }) {
  return <span className="faint">{duration(secondsBetween(since, useNow()))}</span>;
}

export function Position({ job }: { job: Job }) {
  const isQueued = job.status === "queued";
  const stays = useStays();
  const { data } = useQuery({ ...jobById(job.id), enabled: stays && isQueued });
  const position = isQueued && data && "queue_position" in data ? data.queue_position : null;
  return typeof position === "number" ? String(position) : NONE;
}

/** The first label, which filters the list, and how many more there are. */
export function Labels({ job }: { job: Job }) {
  const { filter, change } = useFilter();
  const [first, ...others] = Object.entries(job.labels);
  if (first === undefined) return <span className="faint">{NONE}</span>;
  const [name, value] = first;
  const rest = others.map(([name, value]) => `${name}=${value}`).join(", ");
  return (
    <span className="label-line">
      <button
        type="button"
        className="label-chip"
        title={`Only jobs with the label ${name}=${value}`}
        onClick={() => change({ ...filter, label: withLabel(filter.label, `${name}:${value}`) })}
      >
        {name}={String(value)}
      </button>
      {rest && (
        <span className="faint" title={rest}>
          +{others.length}
          <span className="unseen"> more: {rest}</span>
        </span>
      )}
    </span>
  );
}

/** The key with which a job was submitted, by its name if this caller may read it. */
export function Submitter({ job }: { job: Job }) {
  const { filter, change } = useFilter();
  const mayReadKeys = useMay("admin") === true;
  const { data } = useQuery({ ...keys, enabled: mayReadKeys && job.created_by !== null });
  if (job.created_by === null) return <span className="faint">{NONE}</span>;
  const created_by = job.created_by;
  return (
    <button
      type="button"
      className="label-chip"
      title={`Only jobs submitted with the key ${created_by}`}
      onClick={() => change({ ...filter, created_by })}
    >
      {data?.find((key) => key.id === created_by)?.name ?? shortId(created_by)}
    </button>
  );
}

/** The next step: a retry where the problem may pass, changes where it cannot. */
export function NextStep({ job }: { job: Job }) {
  return hasStep(job) ? <Step job={job} /> : null;
}

function Step({ job }: { job: Job }) {
  const retry = useAction("retry");
  const resume = useAction("resume");
  const mayChange = useMay("jobs:write");
  if (!mayChange) return null;
  if (job.status === "paused")
    return (
      <StepButton label="Resume" job={job} go={() => resume.mutate(job.id)} error={resume.error} />
    );
  if (job.error?.retryable)
    return (
      <StepButton label="Retry" job={job} go={() => retry.mutate(job.id)} error={retry.error} />
    );
  return (
    <Link
      className="button small"
      href={`/jobs/${job.id}/rerun`}
      aria-label={`Rerun… ${jobTitle(job)} with changes`}
      title="A retry would fail in the same way"
    >
      Rerun…
    </Link>
  );
}

interface StepProps {
  label: string;
  job: Job;
  go: () => void;
  error: Error | null;
}

function StepButton({ label, job, go, error }: StepProps) {
  return (
    <button
      type="button"
      className="small"
      aria-label={`${label} ${jobTitle(job)}`}
      title={error?.message}
      onClick={go}
    >
      {error ? "Try again" : label}
    </button>
  );
}
