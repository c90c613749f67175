import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import type { Job, JobEvent } from "../../api/client.ts";
import { jobReport } from "../../api/jobs.ts";
import { Chart } from "../../charts/chart.tsx";
import type { Axis } from "../../charts/series.ts";
import { ErrorNote } from "../../ui/notes.tsx";
import { Section } from "../../ui/section.tsx";
import { PartFacts } from "./parts.tsx";
import { currentStep, curvesOf, lossesIn, lossesOf } from "./recovery-steps.ts";

const STEP: Axis = { title: "Step", unit: "whole" };
const LOSS: Axis = { title: "Loss", unit: "number" };

/** The progress and the losses of a job's recovery. */
export function Recovery({ job, events }: { job: Job; events: JobEvent[] }) {
  if (!job.spec.recover) return null;
  return <RecoverySection job={job} events={events} />;
}

function RecoverySection({ job, events }: { job: Job; events: JobEvent[] }) {
  const followed = useMemo(() => lossesOf(events), [events]);
  const isSucceeded = job.status === "succeeded";
  // The service deletes the events of old jobs; the report stays.
  const report = useQuery({
    ...jobReport(job.id),
    enabled: isSucceeded && followed.length === 0,
  });
  const series = useMemo(
    () => curvesOf(followed.length > 0 ? followed : lossesIn(report.data ?? {})),
    [followed, report.data],
  );
  const hasLosses = series.some(({ dots }) => dots.length > 0);
  return (
    <Section title="Recovery" aside={<span className="faint mono">{job.spec.recover?.kind}</span>}>
      {report.error !== null && <ErrorNote error={report.error} retry={report.refetch} />}
      {!hasLosses && !isSucceeded && currentStep(events) === undefined && (
        <p className="faint">It follows the sweep.</p>
      )}
      {hasLosses && (
        <Chart
          label="Loss by step, on the training text and on held-out text"
          series={series}
          x={STEP}
          y={LOSS}
        />
      )}
      {(job.result?.recovery as Record<string, unknown> | undefined)?.kept_start === true && (
        <p>No step lowered the held-out loss, so that the weights of the sweep were kept.</p>
      )}
      <PartFacts job={job} group="recovery" />
    </Section>
  );
}
