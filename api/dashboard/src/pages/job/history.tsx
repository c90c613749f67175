import type { Job, JobEvent } from "../../api/client.ts";
import {
  blockNumber,
  duration,
  moment,
  percent,
  secondsBetween,
  stamp,
  zone,
} from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";
import { Ago } from "../../ui/time.tsx";
import { attemptsOf } from "./phases.ts";
import { currentStep, stepInWords } from "./recovery-steps.ts";

export function Attempts({ events }: { events: JobEvent[] }) {
  const attempts = attemptsOf(events);
  if (attempts.length === 0) return null;
  return (
    <Section title={attempts.length === 1 ? "Attempt" : "Attempts"}>
      <ol className="plain stack">
        {attempts.map((one) => (
          <li key={one.number}>
            <strong>{one.number}</strong> · <Ago at={one.startedAt} /> · {one.ended ?? "running"}
            <div className="faint mono wrap">
              {one.worker} {one.device}
            </div>
            {one.keptBlocks !== null && (
              <div className="faint">
                Resumed after {one.keptBlocks} finished {one.keptBlocks === 1 ? "block" : "blocks"}.
              </div>
            )}
            {one.keptSteps !== null && (
              <div className="faint">Resumed after step {one.keptSteps} of the recovery.</div>
            )}
          </li>
        ))}
      </ol>
    </Section>
  );
}

const SHOWN = 200;

/** The events of a job, newest first. */
export function History({ events }: { events: JobEvent[] }) {
  const newest = events.slice(-SHOWN).reverse();
  return (
    <Section
      title="Events"
      aside={
        <span className="faint figure">
          {events.length}, times in {zone()}
        </span>
      }
    >
      <Scroll label="Events, newest first" className="tall">
        <ol className="events">
          {newest.map((event) => (
            <li key={event.seq}>
              <time className="faint figure" dateTime={event.at} title={moment(event.at)}>
                {stamp(event.at)}
              </time>
              <span>{inWords(event)}</span>
            </li>
          ))}
        </ol>
      </Scroll>
      {events.length > SHOWN && (
        <p className="faint">The newest {SHOWN}; the API lists all of them.</p>
      )}
    </Section>
  );
}

export function inWords(event: JobEvent): string {
  const { data } = event;
  if (event.kind.startsWith("output_")) return outputInWords(event);
  if (event.kind === "phase") return `${event.phase} started`;
  if (event.kind === "resumed") return resumedInWords(data);
  if (event.kind === "files_deleted") return `files deleted by the retention rule ${data.rule}`;
  if (event.kind === "progress") {
    const done = `${percent(data.fraction as number, 0)} of the job`;
    const step = currentStep([event]);
    if (step) return `${stepInWords(step)}, ${done}`;
    const block = data.block as { index: number; name: string } | undefined;
    return `block ${block ? blockNumber(block.index) : ""} finished, ${done}`;
  }
  if (event.kind === "status") {
    const reason = typeof data.reason === "string" ? ` (${data.reason.replaceAll("_", " ")})` : "";
    return `${event.status}${reason}`;
  }
  return event.kind.replaceAll("_", " ");
}

function outputInWords({ kind, data }: JobEvent): string {
  const sent = percent(Number(data.bytes_sent) / Number(data.bytes_total), 0);
  if (kind === "output_progress") return `${sent} sent to ${data.target}`;
  return `output ${data.target} ${kind.replace("output_", "")}`;
}

function resumedInWords(data: JobEvent["data"]): string {
  const { resumed_from_block: blocks, resumed_from_step: step } = data;
  return step === undefined
    ? `resumed after ${blocks} finished blocks`
    : `resumed after step ${step} of the recovery`;
}

export function tookInWords(job: Job): string {
  return duration(secondsBetween(job.started_at, job.finished_at));
}
