import { useQueries, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useSearch } from "wouter";
import type { Job } from "../../api/client.ts";
import { comparisonOf } from "../../api/compare.ts";
import { jobBlocks, jobById } from "../../api/jobs.ts";
import { BLOCK, BLOCK_METRICS, dotsOf } from "../../charts/block-metrics.ts";
import { Chart } from "../../charts/chart.tsx";
import type { Series } from "../../charts/series.ts";
import { TradeoffChart } from "../../charts/tradeoff.tsx";
import { change, figure, modelName, NONE, shortId } from "../../format.ts";
import { Empty, ErrorNote, Loading, Warning } from "../../ui/notes.tsx";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";
import { StatusPill } from "../../ui/status.tsx";
import { Title } from "../../ui/title.tsx";
import { bestOf, METRICS, type Metric, metricOf, specRows } from "./compare.ts";

const MAX_JOBS = 20;
const MAX_NAME_LENGTH = 28;

export function ComparePage() {
  const ids = [...new Set((new URLSearchParams(useSearch()).get("ids") ?? "").split(","))]
    .filter(Boolean)
    .slice(0, MAX_JOBS);
  const found = useQueries({ queries: ids.map((id) => jobById(id)) });
  const jobs = found.flatMap(({ data }) => data ?? []);
  const failed = found.find(({ error }) => error !== null);
  return (
    <>
      <Title text="Compare" />
      {ids.length < 2 && (
        <Empty title="Select at least two jobs">
          <p>Select them in the list of jobs, then press Compare.</p>
          <Link className="button" href="/">
            All jobs
          </Link>
        </Empty>
      )}
      {failed && <ErrorNote error={failed.error} retry={() => failed.refetch()} />}
      {ids.length >= 2 && !failed && jobs.length < ids.length && <Loading what="jobs" />}
      {ids.length >= 2 && jobs.length === ids.length && <Comparison jobs={jobs} />}
    </>
  );
}

function Comparison({ jobs }: { jobs: Job[] }) {
  const comparison = useQuery(comparisonOf(jobs.map((job) => job.id)));
  const isComparable = comparison.data?.comparable ?? false;
  const reasons = comparison.data?.reasons ?? [];
  const dots = jobs.flatMap((job, style) => {
    const [x, y] = [metricOf(job, "sparsity"), metricOf(job, "pruned_perplexity")];
    const name = nameOf(job);
    const dot = { name, series: name, style, href: `/jobs/${job.id}` };
    return x === null || y === null ? [] : [{ x, y, ...dot }];
  });
  const dense = jobs[0] ? metricOf(jobs[0], "dense_perplexity") : null;
  return (
    <div className="stack">
      {comparison.error !== null && (
        <ErrorNote error={comparison.error} retry={() => comparison.refetch()} />
      )}
      {reasons.length > 0 && (
        <Warning>
          <strong>The metrics of these jobs cannot be compared</strong>
          <ul className="plain">
            {reasons.map((one) => (
              <li key={one}>{one}</li>
            ))}
          </ul>
        </Warning>
      )}
      <Section
        title="Metrics"
        aside={isComparable && <span className="faint">changes from the first job</span>}
      >
        <MetricTable jobs={jobs} isComparable={isComparable} />
      </Section>
      <Specs jobs={jobs} />
      <div className="pair">
        <Overlay jobs={jobs} />
        {dots.length > 1 && isComparable && (
          <Section title="Sparsity against perplexity">
            <TradeoffChart
              jobs={dots}
              rules={
                dense === null ? [] : [{ name: `dense ${figure(dense)}`, at: dense, axis: "y" }]
              }
            />
          </Section>
        )}
      </div>
    </div>
  );
}

function JobHeaders({ jobs }: { jobs: Job[] }) {
  return (
    <thead>
      <tr>
        <td />
        {jobs.map((job) => (
          <th key={job.id} scope="col">
            <Link href={`/jobs/${job.id}`}>{nameOf(job)}</Link>
            <StatusPill status={job.status} />
          </th>
        ))}
      </tr>
    </thead>
  );
}

interface TableProps {
  jobs: Job[];
  isComparable: boolean;
}

function MetricTable({ jobs, isComparable }: TableProps) {
  const metrics = METRICS.filter(({ name }) => jobs.some((job) => metricOf(job, name) !== null));
  if (metrics.length === 0) return <p className="faint">No job has a result yet.</p>;
  return (
    <Scroll label="Metrics of the jobs">
      <table className="compare">
        <JobHeaders jobs={jobs} />
        <tbody>
          {metrics.map((metric) => (
            <MetricRow key={metric.name} {...{ metric, jobs, isComparable }} />
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function MetricRow({ metric, jobs, isComparable }: TableProps & { metric: Metric }) {
  const best = isComparable ? bestOf(jobs, metric) : new Set();
  const [first] = jobs.map((job) => metricOf(job, metric.name));
  return (
    <tr>
      <th scope="row">{metric.label}</th>
      {jobs.map((job, at) => {
        const value = metricOf(job, metric.name);
        return (
          <td key={job.id} className={best.has(job.id) ? "figure is-best" : "figure"}>
            {metric.format(value)}
            {best.has(job.id) && <span className="unseen"> (best)</span>}
            {isComparable && at > 0 && value !== first && metric.lowerIsBetter !== null && (
              <span className="faint delta">{change(first, value)}</span>
            )}
          </td>
        );
      })}
    </tr>
  );
}

function Specs({ jobs }: { jobs: Job[] }) {
  const [showsAll, showAll] = useState(false);
  const rows = specRows(jobs);
  const shown = rows.filter((row) => showsAll || row.differs);
  return (
    <Section
      title="Configuration"
      aside={
        <label className="row tight">
          <input
            type="checkbox"
            checked={!showsAll}
            onChange={(event) => showAll(!event.target.checked)}
          />
          Differences only
        </label>
      }
    >
      {shown.length === 0 && <p className="faint">The configurations are equal.</p>}
      {shown.length > 0 && (
        <Scroll label="Configurations of the jobs">
          <table className="compare">
            <JobHeaders jobs={jobs} />
            <tbody>
              {shown.map(({ name, values, differs }) => (
                <tr key={name} className={differs ? "differs" : ""}>
                  <th scope="row" className="mono">
                    {name}
                  </th>
                  {values.map((value, at) => (
                    <td key={jobs[at]?.id}>{value || NONE}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Section>
  );
}

/** The output errors of all jobs, by block. */
function Overlay({ jobs }: { jobs: Job[] }) {
  const found = useQueries({ queries: jobs.map((job) => jobBlocks(job.id, false)) });
  const lines = jobs.map((job, style): Series => {
    const dots = dotsOf(found[style]?.data ?? [], "error");
    return { name: nameOf(job), kind: "line", style, dots };
  });
  if (!lines.some(({ dots }) => dots.length > 1)) return null;
  return (
    <Section title="Error by block">
      <Chart
        label="Error by block, with a line for each job"
        series={lines}
        x={BLOCK}
        y={BLOCK_METRICS.error}
      >
        The relative error of each block's output, compared with the dense model's.
      </Chart>
    </Section>
  );
}

function nameOf(job: Job): string {
  const name = job.name || modelName(job.spec.model);
  const shown = name.length > MAX_NAME_LENGTH ? `${name.slice(0, MAX_NAME_LENGTH)}…` : name;
  return `${shown} ${shortId(job.id)}`;
}
