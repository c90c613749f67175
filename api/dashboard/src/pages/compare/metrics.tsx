import { change, percent } from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";
import { TaskName } from "../../ui/task-name.tsx";
import { bestOf, intervalOf, METRICS, type Metric, metricOf, taskMetrics } from "./compare.ts";
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
        Green is the best of the jobs with the same sparsity.
        {metrics.some(({ name }) => jobs.some((job) => intervalOf(job, name) !== null)) &&
          " ± and ranges in brackets are 95 % intervals."}
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
        const isBest = best.has(job.id);
        const hasChange = !isBaseline && isComparable(entry) && value !== reference;
        return (
          <td key={job.id} className={isBest ? "figure is-best" : "figure"}>
            {[metric.format(value), intervalOf(job, metric.name)].filter(Boolean).join(" ")}
            {isBest && (
              <span className="unseen"> (best at {percent(metricOf(job, "sparsity"))})</span>
            )}
            {hasChange && metric.lowerIsBetter !== null && (
              <span className="faint delta">{change(reference, value)}</span>
            )}
          </td>
        );
      })}
    </tr>
  );
}
