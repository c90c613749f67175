import { percent } from "../../format.ts";
import { gateInWords } from "../../spec/gate.ts";
import { Section } from "../../ui/section.tsx";
import { Reference } from "../../ui/value.tsx";
import { Verdict } from "../../ui/verdict.tsx";
import {
  bestOf,
  changeOf,
  fromDense,
  intervalOf,
  METRICS,
  type Metric,
  metricOf,
  taskMetrics,
  textMetrics,
} from "./compare.ts";
import { type Entry, isComparable } from "./entries.ts";
import { type Compared, JobTable } from "./job-table.tsx";

/** The metrics of the jobs, and their changes from the baseline. */
export function Metrics({ entries }: { entries: Entry[] }) {
  const jobs = entries.map(({ job }) => job);
  const metrics = [...METRICS, ...textMetrics(jobs), ...taskMetrics(jobs)].filter(({ name }) =>
    jobs.some((job) => metricOf(job, name) !== null),
  );
  return (
    <Section title="Metrics" aside={<span className="faint">changes from the baseline</span>}>
      <JobTable
        label="Metrics of the jobs"
        entries={entries}
        rows={[...gateRow(entries), ...metrics.map((metric) => metricRow(metric, entries))]}
      />
      <p className="faint">
        Green is the best of the jobs with the same reduction, and what differs from it no more than
        by chance, if another job is worse than that. Times and peaks of memory have no interval, so
        that none is the best.
        {metrics.some(({ name }) => jobs.some((job) => intervalOf(job, name) !== null)) &&
          " ± and ranges in brackets are 95 % intervals, p is that of McNemar’s test."}
      </p>
    </Section>
  );
}

function gateRow(entries: Entry[]): Compared[] {
  if (entries.every(({ job }) => job.gate === null)) return [];
  const cells = entries.map(({ job: { id, gate, verdict } }) => (
    <td key={id}>
      <Verdict verdict={verdict} />
      {gate !== null && <span className="faint delta">{gateInWords(gate)}</span>}
    </td>
  ));
  return [{ name: "gate", head: "Gate", cells }];
}

function metricRow(metric: Metric, entries: Entry[]): Compared {
  const comparable = entries.filter(isComparable);
  const best = bestOf(
    comparable.map(({ job }) => job),
    metric,
  );
  const baseline = entries.find(({ isBaseline }) => isBaseline);
  const reference = baseline ? metricOf(baseline.job, metric.name) : null;
  return {
    name: metric.name,
    head: (
      <>
        {metric.label}
        <Reference text={metric.on ?? ""} />
      </>
    ),
    cells: entries.map((entry) => {
      const { job, isBaseline } = entry;
      const value = metricOf(job, metric.name);
      const dense = fromDense(job, metric.name);
      const isBest = best.has(job.id);
      const differs = value !== null && reference !== null && value !== reference;
      const hasChange = !isBaseline && isComparable(entry) && differs;
      return (
        <td key={job.id} className={isBest ? "figure is-best" : "figure"}>
          {[metric.format(value), intervalOf(job, metric.name)].filter(Boolean).join(" ")}
          {isBest && <span className="unseen"> (best at {percent(job.reduction)})</span>}
          {hasChange && baseline && metric.lowerIsBetter !== null && (
            <span className="faint delta">{changeOf(baseline.job, job, metric)}</span>
          )}
          {dense !== null && <span className="faint delta">{dense}</span>}
        </td>
      );
    }),
  };
}
