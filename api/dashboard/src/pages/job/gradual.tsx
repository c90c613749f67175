import { useMemo } from "react";
import type { Job, JobEvent } from "../../api/client.ts";
import { number } from "../../api/jobs.ts";
import { Chart } from "../../charts/chart.tsx";
import type { Axis } from "../../charts/series.ts";
import { count, duration, figure, NONE, percent } from "../../format.ts";
import { Warning } from "../../ui/notes.tsx";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";
import { type StepResult, stepCurve, stepResults } from "./gradual-steps.ts";

const STEP: Axis = { title: "Step", unit: "whole" };
const PERPLEXITY: Axis = { title: "Perplexity", unit: "number" };

/** The steps of a gradual job, as they finish. */
export function Gradual({ job, events }: { job: Job; events: JobEvent[] }) {
  const { steps } = job.spec;
  if (!steps || steps === 1) return null;
  return <GradualSection job={job} events={events} steps={steps} />;
}

interface Props {
  job: Job;
  events: JobEvent[];
  steps: number;
}

function GradualSection({ job, events, steps }: Props) {
  const results = useMemo(() => stepResults(job, events), [job, events]);
  const series = useMemo(() => stepCurve(results), [results]);
  const kept = number(job.result?.kept_step);
  // The job's own warning says the same, of jobs that keep warnings of their results.
  const isSaid = job.warnings.some((one) => one.startsWith("The gate stopped"));
  const stopped = isSaid ? undefined : results.find(({ failures }) => failures.length > 0);
  return (
    <Section
      title="Steps"
      aside={
        <span className="faint">
          {results.length} of {steps} made
        </span>
      }
    >
      {results.length === 0 && <p className="faint">No step is finished.</p>}
      {stopped && (
        <Warning>
          <p>
            The gate stopped the job at step {stopped.step}: {stopped.failures.join(" and ")}.
            {kept !== null && ` The result is the model of step ${kept}.`}
          </p>
        </Warning>
      )}
      {results.length > 1 && (
        <Chart label="Perplexity by step" series={series} x={STEP} y={PERPLEXITY} />
      )}
      {results.length > 0 && <StepTable results={results} kept={kept} />}
    </Section>
  );
}

function StepTable({ results, kept }: { results: StepResult[]; kept: number | null }) {
  const isSmaller = results.some(({ removed }) => removed !== null && removed > 0);
  return (
    <Scroll label="Steps of the job">
      <table>
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col" className="end">
              {isSmaller ? "Parameters" : "Sparsity"}
            </th>
            <th scope="col" className="end">
              Perplexity
            </th>
            <th scope="col" className="end">
              Ratio to dense
            </th>
            <th scope="col" className="end">
              Time
            </th>
            <th scope="col">Result</th>
          </tr>
        </thead>
        <tbody>
          {results.map((one) => (
            <tr key={one.step}>
              <th scope="row" className="figure">
                {one.step}
              </th>
              <td className="end figure">
                {isSmaller ? count(one.parameters) : percent(one.sparsity)}
              </td>
              <td className="end figure">{figure(one.perplexity)}</td>
              <td className="end figure">{figure(one.ratio)}</td>
              <td className="end figure">{duration(one.seconds)}</td>
              <td>{outcome(one, kept)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function outcome({ step, failures }: StepResult, kept: number | null): string {
  const failed = failures.length > 0 ? "failed the gate" : null;
  const isKept = step === kept ? "kept" : null;
  return [failed, isKept].filter(Boolean).join(", ") || NONE;
}
