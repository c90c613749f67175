import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { memo } from "react";
import { Link } from "wouter";
import type { Job } from "../../api/client.ts";
import { isFinal, jobBlocks, number } from "../../api/jobs.ts";
import { Spark } from "../../charts/spark.tsx";
import {
  blocksInWords,
  change,
  duration,
  figure,
  modelName,
  percent,
  secondsBetween,
  shortId,
} from "../../format.ts";
import { toText } from "../../spec/draft.ts";
import { ProgressBar, StatusPill } from "../../ui/status.tsx";
import { Ago } from "../../ui/time.tsx";

interface Props {
  job: Job;
  isChosen: boolean;
  choose: (id: string) => void;
}

export const JobRow = memo(function JobRow({ job, isChosen, choose }: Props) {
  const title = job.name || modelName(job.spec.model);
  return (
    <li className={isChosen ? "job-row is-chosen" : "job-row"}>
      <label className="tick">
        <input type="checkbox" checked={isChosen} onChange={() => choose(job.id)} />
        <span className="unseen">Select {title}</span>
      </label>
      <div className="job-name">
        <Link href={`/jobs/${job.id}`} title={job.spec.model}>
          {title}
        </Link>
        <span className="faint mono" title={job.id}>
          {shortId(job.id)}
        </span>
      </div>
      <div className="job-recipe">
        <span>{recipe(job)}</span>
        <span className="faint">{job.spec.dataset}</span>
      </div>
      <div className="job-status">
        <StatusPill status={job.status} />
        <span className="faint">
          <Ago at={job.created_at} />
        </span>
      </div>
      <Progress job={job} />
      <ErrorLine job={job} />
      <Outcome job={job} />
    </li>
  );
});

/** Summarise a specification. */
function recipe({ spec }: Job): string {
  const parts = [percent(spec.sparsity), spec.method, spec.pattern];
  if (spec.solver !== "none") parts.push(`+ ${spec.solver}`);
  if (spec.allocation !== "uniform")
    parts.push(Array.isArray(spec.allocation) ? "by block" : toText(spec.allocation));
  if (spec.refine) parts.push("refined");
  if (spec.recover) parts.push("recovered");
  return parts.filter(Boolean).join(" ");
}

function Progress({ job }: { job: Job }) {
  const { block, eta_seconds: eta } = job.progress;
  if (isFinal(job.status)) {
    const took = secondsBetween(job.started_at, job.finished_at);
    return (
      <div className="job-progress faint">{took === null ? "" : `took ${duration(took)}`}</div>
    );
  }
  if (job.status === "queued" && !block)
    return <div className="job-progress faint">waiting for a worker</div>;
  return (
    <div className="job-progress">
      <ProgressBar job={job} />
      <span className="faint">
        {block ? blocksInWords(job.status, block) : (job.phase ?? "waiting")}
        {eta != null && ` · ${duration(eta.p50)} left`}
      </span>
    </div>
  );
}

/** The output error by block, for jobs that have finished blocks. */
function ErrorLine({ job }: { job: Job }) {
  const hasBlocks = job.status !== "queued" && job.progress.fraction > 0;
  const isOver = isFinal(job.status);
  const blocks = jobBlocks(job.id, false);
  const { data = [] } = useQuery({
    ...blocks,
    queryKey: [...blocks.queryKey, isOver], // refetched once at the end, then constant
    enabled: hasBlocks,
    placeholderData: keepPreviousData,
    staleTime: isOver ? Number.POSITIVE_INFINITY : 0,
  });
  return (
    <div className="job-spark" title="Error after each block">
      <Spark values={data.map((one) => one.error)} />
    </div>
  );
}

function Outcome({ job }: { job: Job }) {
  if (job.error) {
    return (
      <div className="job-outcome is-failed" title={job.error.detail}>
        {job.error.title}
      </div>
    );
  }
  const dense = number(job.result?.dense_perplexity);
  const pruned = number(job.result?.pruned_perplexity);
  if (pruned === null) return <div className="job-outcome" />;
  return (
    <div
      className="job-outcome"
      title="Perplexity of the pruned model, and its change from the dense one"
    >
      <span className="figure">{figure(pruned)}</span>
      <span className="faint figure">{change(dense, pruned)}</span>
    </div>
  );
}
