import { percent } from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";
import { TaskName } from "../../ui/task-name.tsx";
import {
  bestOf,
  changeOf,
  fromDense,
  intervalOf,
  METRICS,
  type Metric,
  metricOf,
  taskMetrics,
} from "./compare.ts";
import { type Entry, isComparable } from "./entries.ts";
import { JobHeaders } from "./headers.tsx";

/** The metrics of the jobs, and their changes from the baseline. */
export function Metrics({ entries }: { entries: Entry[] }) {
  const jobs = entries.map(({ job }) => job);
  const metrics = [...METRICS, ...taskMetrics(jobs)].filter(({ name }) =>
    jobs.some((job) => metricOf(job, name) !== null),
  );
  return (
    <Section title="Metrics" aside={<span className="faint">changes from the baseline</span>}>
      <Scroll label="Metrics of the jobs">
        <table className="compare">
          <JobHeaders entries={entries} />
          <tbody>
            {metrics.map((metric) => (
              <MetricRow key={metric.name} {...{ metric, entries }} />
            ))}
          </tbody>
        </table>
      </Scroll>
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

function MetricRow({ metric, entries }: { metric: Metric; entries: Entry[] }) {
  const comparable = entries.filter(isComparable);
  const best = bestOf(
    comparable.map(({ job }) => job),
    metric,
  );
  const baseline = entries.find(({ isBaseline }) => isBaseline);
  const reference = baseline ? metricOf(baseline.job, metric.name) : null;
  return (
    <tr>
      <th scope="row">
        <TaskName name={metric.label} />
      </th>
      {entries.map((entry) => {
        const { job, isBaseline } = entry;
        const value = metricOf(job, metric.name);
        const dense = fromDense(job, metric.name);
        const isBest = best.has(job.id);
        const hasChange = !isBaseline && isComparable(entry) && value !== reference;
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
      })}
    </tr>
  );
}
