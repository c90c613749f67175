import { useQuery } from "@tanstack/react-query";
import type { Job, JobEvent } from "../../api/client.ts";
import { jobReport, number } from "../../api/jobs.ts";
import { Curves } from "../../charts/curves.tsx";
import { count, duration, figure } from "../../format.ts";
import { ErrorNote } from "../../ui/notes.tsx";
import { Scroll } from "../../ui/scroll.tsx";
import { Fact, Facts, Section } from "../../ui/section.tsx";
import { currentStep, curvesOf, type Losses, lossesIn, lossesOf } from "./recovery-steps.ts";

/** The progress and the losses of a job's recovery. */
export function Recovery({ job, events }: { job: Job; events: JobEvent[] }) {
  if (!job.spec.recover) return null;
  return <RecoverySection job={job} events={events} />;
}

function RecoverySection({ job, events }: { job: Job; events: JobEvent[] }) {
  const followed = lossesOf(events);
  const isSucceeded = job.status === "succeeded";
  // The service deletes the events of old jobs; the report stays.
  const report = useQuery({
    ...jobReport(job.id),
    enabled: isSucceeded && followed.length === 0,
  });
  const points = followed.length > 0 ? followed : lossesIn(report.data ?? {});
  return (
    <Section title="Recovery" aside={<span className="faint mono">{job.spec.recover?.kind}</span>}>
      {report.error !== null && <ErrorNote error={report.error} retry={report.refetch} />}
      {points.length === 0 && !isSucceeded && currentStep(events) === undefined && (
        <p className="faint">It follows the sweep.</p>
      )}
      {points.length > 0 && (
        <>
          <Curves
            label="Loss by step, on the training text and on held-out text"
            unit="loss by step of the training"
            curves={curvesOf(points)}
          />
          <LossTable points={points} />
        </>
      )}
      <Outcome job={job} />
    </Section>
  );
}

function LossTable({ points }: { points: Losses[] }) {
  return (
    <details>
      <summary>Losses by step</summary>
      <Scroll label="Losses by step" className="tall">
        <table>
          <thead>
            <tr>
              <th scope="col">Step</th>
              <th scope="col" className="end">
                Training
              </th>
              <th scope="col" className="end">
                Held out
              </th>
            </tr>
          </thead>
          <tbody>
            {points.map(({ step, loss, heldOut }) => (
              <tr key={step}>
                <th scope="row">{step}</th>
                <td className="end figure">{figure(loss)}</td>
                <td className="end figure">{figure(heldOut)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </details>
  );
}

/** What the recovery of a finished job has changed. */
function Outcome({ job }: { job: Job }) {
  const measured = job.result?.recovery as Record<string, unknown> | undefined;
  if (!measured) return null;
  const metric = (name: string) => number(measured[name]);
  return (
    <>
      {measured.kept_start === true && (
        <p>No step lowered the held-out loss, so that the weights of the sweep were kept.</p>
      )}
      <Facts>
        <Fact name="Held-out loss">
          {figure(metric("held_out_loss_before"))} before, {figure(metric("held_out_loss_after"))}{" "}
          after
        </Fact>
        <Fact name="Perplexity before">
          {figure(number(job.result?.perplexity_before_recovery))}
        </Fact>
        <Fact name="Steps">
          {count(metric("steps"))}, best {count(metric("best_step"))}
        </Fact>
        <Fact name="Tokens">{count(metric("tokens"))}</Fact>
        <Fact name="Time">{duration(metric("seconds"))}</Fact>
      </Facts>
    </>
  );
}
