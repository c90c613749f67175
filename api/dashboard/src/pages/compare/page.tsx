import { useQueries, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import type { Job } from "../../api/client.ts";
import { comparisonOf } from "../../api/compare.ts";
import { jobById } from "../../api/jobs.ts";
import { ProblemError } from "../../api/problem.ts";
import { TradeoffChart } from "../../charts/tradeoff.tsx";
import { figure } from "../../format.ts";
import { Copy } from "../../ui/copy.tsx";
import { Empty, ErrorNote, Loading, Warning } from "../../ui/notes.tsx";
import { Section } from "../../ui/section.tsx";
import { Title } from "../../ui/title.tsx";
import { logOf, useView } from "./address.ts";
import { ChosenJobs } from "./chosen.tsx";
import { metricOf } from "./compare.ts";
import { divide, type Entry, isComparable } from "./entries.ts";
import { Metrics } from "./metrics.tsx";
import { Overlay } from "./overlay.tsx";
import { Specs } from "./specs.tsx";
import { Texts } from "./texts.tsx";

export function ComparePage() {
  const view = useView();
  const [{ ids, baseline }] = view;
  const found = useQueries({ queries: ids.map((id) => jobById(id)) });
  const isUnknown = (error: Error | null) => error instanceof ProblemError && error.status === 404;
  const failed = found.find(({ error }) => error !== null && !isUnknown(error));
  const isLoading = found.some(({ data, error }) => data === undefined && error === null);
  const jobs = found.map(({ data, error }, at) => {
    return { id: ids[at] ?? "", job: data as Job | undefined, isUnknown: isUnknown(error) };
  });
  const { entries, leftOut } = divide(jobs, baseline);
  return (
    <>
      <header className="row spread">
        <Title text="Compare" />
        {entries.length > 1 && (
          <span className="row">
            <Copy text={location.href} label="Copy a link to this comparison" />
            <button type="button" onClick={() => print()}>
              Print
            </button>
          </span>
        )}
      </header>
      {failed && <ErrorNote error={failed.error} retry={() => failed.refetch()} />}
      {isLoading && !failed && <Loading what="jobs" />}
      {!isLoading && (
        <div className="stack">
          <ChosenJobs entries={entries} leftOut={leftOut} view={view} />
          {entries.length < 2 && (
            <Empty title="Select at least two jobs with figures">
              <p>Add them above, or select them in the list of jobs and press Compare.</p>
            </Empty>
          )}
          {entries.length > 1 && <Comparison entries={entries} view={view} />}
        </div>
      )}
    </>
  );
}

interface Props {
  entries: Entry[];
  view: ReturnType<typeof useView>;
}

function Comparison({ entries: given, view }: Props) {
  const order = [...given].sort((a, b) => Number(b.isBaseline) - Number(a.isBaseline));
  const comparison = useQuery(comparisonOf(order.map(({ job }) => job.id)));
  const obstacles = new Map(comparison.data?.jobs.map((one) => [one.id, one.obstacles]));
  const entries = given.map((one) => ({ ...one, obstacles: obstacles.get(one.job.id) ?? null }));
  const different = entries.filter((one) => one.obstacles !== null && one.obstacles.length > 0);
  const [{ showsAll, metric }, change] = view;
  return (
    <>
      {comparison.error !== null && (
        <ErrorNote error={comparison.error} retry={() => comparison.refetch()} />
      )}
      {different.length > 0 && <Different entries={different} />}
      <Specs entries={entries} showsAll={showsAll} showAll={(all) => change({ showsAll: all })} />
      <Metrics entries={entries} />
      <Texts entries={entries} />
      <div className="pair">
        <Tradeoffs entries={entries} view={view} />
        <Overlay
          entries={entries}
          metric={metric}
          choose={(one) => change({ metric: one })}
          logOf={(chart) => logOf(chart, view)}
        />
      </div>
    </>
  );
}

function Different({ entries }: { entries: Entry[] }) {
  return (
    <Warning>
      <strong>The metrics of some jobs cannot be compared with the baseline's</strong>
      <ul className="plain">
        {entries.map(({ job, name, obstacles }) => (
          <li key={job.id} className="wrap">
            {name}: {shortened(obstacles ?? [])}
          </li>
        ))}
      </ul>
    </Warning>
  );
}

/** How many reasons are named; models that differ have about all of them. */
const MOST_REASONS = 2;

function shortened(reasons: string[]): string {
  const more = reasons.length - MOST_REASONS;
  const named = reasons.slice(0, MOST_REASONS).join("; ");
  return more > 0 ? `${named}; and ${more} more` : named;
}

function Tradeoffs({ entries, view }: Props) {
  const jobs = useMemo(() => tradeoffsOf(entries), [entries]);
  const [first] = entries.filter(({ isBaseline }) => isBaseline);
  const dense = first ? metricOf(first.job, "dense_perplexity") : null;
  if (jobs.length < 2) return null;
  return (
    <Section title="Reduction against perplexity">
      <TradeoffChart
        jobs={jobs}
        rules={dense === null ? [] : [{ name: `dense ${figure(dense)}`, at: dense, axis: "y" }]}
        log={logOf("perplexity", view)}
      />
    </Section>
  );
}

function tradeoffsOf(entries: Entry[]) {
  return entries.filter(isComparable).flatMap(({ job, name, style }) => {
    const [x, y] = [job.reduction, metricOf(job, "pruned_perplexity")];
    if (x === null || y === null) return [];
    return [{ x, y, name, series: name, style, href: `/jobs/${job.id}` }];
  });
}
