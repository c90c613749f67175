import { useQuery } from "@tanstack/react-query";
import { useMemo, useRef } from "react";
import { Link } from "wouter";
import type { Job, JobEvent } from "../../api/client.ts";
import { isFinal, jobById, jobEvents, jobReruns, number } from "../../api/jobs.ts";
import { ProblemError } from "../../api/problem.ts";
import { blocksInWords, duration, figures, modelName, percent, shortId } from "../../format.ts";
import { intervalInWords, metricInWords } from "../../spec/gate.ts";
import { Copy } from "../../ui/copy.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Empty, ErrorNote, Loading, Warning } from "../../ui/notes.tsx";
import { useNow } from "../../ui/now.ts";
import { Section } from "../../ui/section.tsx";
import { ProgressBar } from "../../ui/status.tsx";
import { useTabIcon } from "../../ui/tab-icon.ts";
import { Ago } from "../../ui/time.tsx";
import { Title } from "../../ui/title.tsx";
import { Verdict } from "../../ui/verdict.tsx";
import { JobStatus, Waiting } from "../../ui/waiting.tsx";
import { JobActions } from "./actions.tsx";
import { Blocks } from "./blocks.tsx";
import { ModelCard } from "./card.tsx";
import { Configuration } from "./configuration.tsx";
import { DescriptionSection } from "./description/section.tsx";
import { Ended } from "./ended.tsx";
import { Experts } from "./experts.tsx";
import { useFailedOutputs } from "./failed-outputs.ts";
import { Files } from "./files.tsx";
import { Generation } from "./generation.tsx";
import { Gradual } from "./gradual.tsx";
import { placeOf } from "./gradual-steps.ts";
import { Attempts, History, tookInWords } from "./history.tsx";
import { keptBlocks } from "./kept.ts";
import { Log } from "./log.tsx";
import { ModelActions, UseModel } from "./model.tsx";
import { NotifySwitch } from "./notify.tsx";
import { Outputs } from "./outputs.tsx";
import { Parts } from "./parts.tsx";
import { Recovery } from "./recovery.tsx";
import { currentStep, stepInWords } from "./recovery-steps.ts";
import { Result } from "./result.tsx";
import { SectionLinks } from "./section-links.tsx";
import { Silence } from "./silence.tsx";
import { Speed } from "./speed.tsx";
import { PhaseStepper } from "./stepper.tsx";
import { Tasks } from "./tasks.tsx";
import { Texts } from "./texts.tsx";
import { Trials } from "./trials.tsx";

export function JobPage({ id }: { id: string }) {
  const { data: job, error, refetch } = useQuery(jobById(id));
  if (job) {
    return (
      <>
        {error !== null && <ErrorNote error={error} retry={refetch} />}
        <JobView job={job} />
      </>
    );
  }
  if (error instanceof ProblemError && error.status === 404) return <NoSuchJob id={id} />;
  return (
    <>
      <Title text="Job" />
      {error === null ? <Loading what="the job" /> : <ErrorNote error={error} retry={refetch} />}
    </>
  );
}

function JobView({ job }: { job: Job }) {
  const history = useQuery(jobEvents(job.id));
  const events = history.data ?? [];
  const title = job.name || modelName(job.spec.model);
  const failedOutputs = useFailedOutputs(job);
  const sections = useRef<HTMLDivElement>(null);
  useTabIcon(job.verdict === "fail" ? "failed" : job.status, job.progress.fraction);
  return (
    <>
      <header className="job-header">
        <Title text={inTab(job, title)}>
          {title} <JobStatus job={job} />{" "}
          {job.verdict !== "none" && <Verdict verdict={job.verdict} />}{" "}
          {failedOutputs !== null && (
            <a className="pill is-failed" href="#outputs">
              {failedOutputs}
            </a>
          )}
        </Title>
        <p className="faint">
          <span className="mono">{job.id}</span>
          <Copy text={job.id} label="Copy the id" /> · created <Ago at={job.created_at} />
          {job.started_at && job.finished_at && <> · took {tookInWords(job)}</>}
          {job.sweep_id && (
            <>
              {" "}
              · part of a <Link href={`/sweeps/${job.sweep_id}`}>sweep</Link>
            </>
          )}
          {job.lineage && <Lineage lineage={job.lineage} />}
          {job.parent_id && (
            <>
              {" "}
              · Rerun of <Link href={`/jobs/${job.parent_id}`}>{shortId(job.parent_id)}</Link>
            </>
          )}
        </p>
        <ModelActions job={job} />
        <JobActions job={job} />
        <NotifySwitch job={job} name={title} />
        <Ended key={job.id} job={job} name={title} />
      </header>
      <SectionLinks within={sections} />
      <div className="columns job-columns" ref={sections}>
        <div className="stack">
          <Progress job={job} events={events} />
          <Silence job={job} events={events} />
          <PhaseStepper job={job} events={events} />
          <JobProblem job={job} />
          <GateFailures job={job} />
          {job.warnings.map((one) => (
            <Warning key={one}>
              <p>{one}</p>
            </Warning>
          ))}
          <Overlap job={job} />
          <Result job={job} />
          <Gradual job={job} events={events} />
          <Parts job={job} />
          <Texts job={job} />
          <Tasks job={job} />
          <Generation job={job} />
          <Trials job={job} />
          <Speed job={job} />
          <Recovery job={job} events={events} />
          <Experts job={job} />
          <Blocks job={job} kept={keptBlocks(job, events)} />
          <Outputs job={job} />
          <ModelCard job={job} />
          <UseModel job={job} />
          <Files job={job} />
        </div>
        <div className="stack">
          <DescriptionSection job={job} />
          <Configuration job={job} />
          <Attempts events={events} />
          <Reruns id={job.id} />
          {history.error !== null && (
            <ErrorNote error={history.error} retry={() => history.refetch()} />
          )}
          {history.data && <History events={events} />}
        </div>
        <Log job={job} />
      </div>
    </>
  );
}

/** The jobs whose results led to the model of a job, the latest first. */
function Lineage({ lineage }: { lineage: NonNullable<Job["lineage"]> }) {
  return (
    <>
      {" "}
      · starts from the result of{" "}
      {lineage.jobs.map((id, index) => (
        <span key={id}>
          {index > 0 && ", which started from "}
          <Link href={`/jobs/${id}`}>{shortId(id)}</Link>
        </span>
      ))}{" "}
      ({modelName(lineage.model)})
    </>
  );
}

/** The tab's title: how the job stands, then its name. */
function inTab(job: Job, title: string): string {
  const isRunning = !isFinal(job.status) && job.status !== "queued";
  const verdict = job.verdict === "none" ? job.status : GATE[job.verdict];
  return `${isRunning ? percent(job.progress.fraction, 0) : verdict} · ${title}`;
}

const GATE = { pass: "gate passed", fail: "gate failed" };

function Progress({ job, events }: { job: Job; events: JobEvent[] }) {
  if (isFinal(job.status)) return null;
  const step = job.phase === "recovering" ? currentStep(events) : undefined;
  const { fraction, block, eta_seconds: eta } = job.progress;
  const kept = keptBlocks(job, events);
  const place = placeOf(events);
  return (
    <section className="progress-line" aria-label="Progress">
      <ProgressBar job={job} />
      <p>
        <strong className="figure">{percent(fraction, 0)}</strong>
        {place && (
          <span>
            step {place.number} of {place.total}
          </span>
        )}
        {step && <span>{stepInWords(step)}</span>}
        {block && !step && <span>{blocksInWords(job.status, block)}</span>}
        {kept && !block && (
          <span>
            {kept.blocks} of {kept.total} blocks kept
          </span>
        )}
        {job.status === "queued" && <Waiting job={job} />}
        {eta != null && <TimeLeft eta={eta} since={job.updated_at} />}
      </p>
    </section>
  );
}

interface TimeLeftProps {
  eta: NonNullable<Job["progress"]["eta_seconds"]>;
  /** What changes with each estimate. */
  since: string;
}

/** The remaining time, until the job has taken longer than that. */
function TimeLeft({ eta: { p50, p90, untimed }, since }: TimeLeftProps) {
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new estimate counts anew, by this clock
  const seenAt = useMemo(() => Date.now(), [since]);
  const isLate = useNow() - seenAt > 1000 * p90;
  return (
    <span className="faint">
      {isLate
        ? "takes longer than expected"
        : `about ${duration(p50)} left, likely below ${duration(p90)}`}
      {untimed.length > 0 && `, without ${untimed.join(" and ")}`}
    </span>
  );
}

/** Why the job failed, or why its last attempt did. */
function JobProblem({ job }: { job: Job }) {
  const problem = job.error ?? job.postponed?.error;
  if (!problem) return null;
  const { title, detail, hint, code } = problem;
  return (
    <div
      className={job.error ? "note is-failed" : "note is-paused"}
      role={job.error ? "alert" : "note"}
    >
      <Icon name="warning" />
      <div>
        <strong>{title}</strong>
        <p className="wrap">{detail}</p>
        {hint && !detail.includes(hint) && <p>{hint}</p>}
        <p className="faint mono">{code}</p>
      </div>
    </div>
  );
}

function GateFailures({ job }: { job: Job }) {
  if (job.gate_failures.length === 0) return null;
  return (
    <Warning>
      <strong>The job failed its gate</strong>
      <ul className="plain">
        {job.gate_failures.map(({ metric, bound, wanted, got, interval }) => (
          <li key={metric + bound}>
            {metricInWords(metric)} should be at {bound === "max" ? "most" : "least"}{" "}
            {figures(wanted, got ?? wanted)[0]},{" "}
            {got === null ? "but was not measured" : `but is ${figures(got, wanted)[0]}`}
            {intervalInWords(interval)}
          </li>
        ))}
      </ul>
    </Warning>
  );
}

/** The largest share of evaluation text that was also calibrated on, without a warning. */
const MOST_OVERLAP = 0.01;

const isOfOverlap = (warning: string) => warning.includes("of the evaluation text was also");

/** The overlap of a job that ended before jobs kept the warnings of their results. */
function Overlap({ job }: { job: Job }) {
  const share = number(job.result?.eval_overlap);
  if (share === null || share <= MOST_OVERLAP || job.warnings.some(isOfOverlap)) return null;
  return (
    <Warning>
      <p>
        {percent(share)} of the evaluation text was also in the text that the model was calibrated
        or trained on, so the pruned model’s perplexity may be too good.
      </p>
    </Warning>
  );
}

function Reruns({ id }: { id: string }) {
  const { data = [], error, refetch } = useQuery(jobReruns(id));
  if (error !== null) return <ErrorNote error={error} retry={refetch} />;
  if (data.length === 0) return null;
  return (
    <Section
      title="Reruns"
      aside={
        <Link href={`/compare?ids=${[id, ...data.map((job) => job.id)].join(",")}`}>
          Compare all
        </Link>
      }
    >
      <ul className="plain">
        {data.map((job) => (
          <li key={job.id} className="row">
            <Link href={`/jobs/${job.id}`}>{job.name || shortId(job.id)}</Link>
            <JobStatus job={job} />
          </li>
        ))}
      </ul>
    </Section>
  );
}

function NoSuchJob({ id }: { id: string }) {
  return (
    <>
      <Title text="No such job" />
      <Empty title="There is no job with this id">
        <p className="mono wrap">{id.slice(0, 64)}</p>
        <p>It may have been deleted, or it belongs to another service.</p>
        <Link className="button" href="/">
          All jobs
        </Link>
      </Empty>
    </>
  );
}
