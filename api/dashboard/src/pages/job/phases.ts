/** The phases of a job's latest attempt, from its events. */

import type { Job, JobEvent, Phase } from "../../api/client.ts";
import { isFinal, number } from "../../api/jobs.ts";
import { asClause, secondsBetween } from "../../format.ts";
import { type Kept, keptBlocks } from "./kept.ts";

const PHASES: Phase[] = [
  "resolving",
  "loading",
  "writing",
  "calibrating",
  "pruning",
  "evaluating",
  "recovering",
  "packaging",
];

export interface Step {
  phase: Phase;
  state: "done" | "current" | "stopped" | "ahead" | "kept" | "skipped";
  seconds: number | null;
  /** What of it is kept from earlier attempts. */
  kept: Kept | null;
}

/** Return the state and the duration of each phase. */
export function stepsOf(job: Job, events: JobEvent[], now: number): Step[] {
  // A job that waits begins its phases anew, but for the blocks that it keeps.
  const isWaiting = job.status === "paused" || job.status === "queued";
  const attempt = isWaiting ? job.attempt + 1 : job.attempt;
  const blocks = keptBlocks(job, events);
  const end = isFinal(job.status) ? (job.finished_at ?? job.updated_at) : now;
  const own = events.filter((event) => event.attempt === attempt && event.kind === "phase");
  const [taken, last] = [secondsOf(own, end), own.at(-1)?.phase ?? undefined];
  return phasesOf(job).map((phase) => {
    const kept = phase === "pruning" ? blocks : null;
    const seconds = taken.get(phase);
    if (seconds === undefined) {
      const state = missing(job, phase, last);
      return { phase, state: kept && state === "ahead" ? "kept" : state, seconds: null, kept };
    }
    return { phase, state: phase === last ? lastState(job) : "done", seconds, kept };
  });
}

function phasesOf(job: Job): Phase[] {
  const writes = job.spec.mix?.some((text) => text.generated) ?? false;
  const has = (phase: Phase) => {
    if (phase === "writing") return writes;
    return phase !== "recovering" || Boolean(job.spec.recover);
  };
  return PHASES.filter(has);
}

/** Return the seconds of each phase in all; a gradual job begins some of them in every step. */
function secondsOf(starts: JobEvent[], end: string | number): Map<Phase, number> {
  const taken = new Map<Phase, number>();
  starts.forEach(({ phase, at }, index) => {
    const seconds = secondsBetween(at, starts[index + 1]?.at ?? end) ?? 0;
    if (phase) taken.set(phase, (taken.get(phase) ?? 0) + seconds);
  });
  return taken;
}

function lastState(job: Job): Step["state"] {
  if (job.status === "succeeded") return "done";
  return isFinal(job.status) ? "stopped" : "current";
}

/** The state of a phase without a start: skipped or ahead. */
function missing(job: Job, phase: Phase, last: Phase | undefined): Step["state"] {
  if (job.status === "succeeded") return "skipped";
  const isBehind = last !== undefined && PHASES.indexOf(phase) < PHASES.indexOf(last);
  return isBehind ? "skipped" : "ahead";
}

export interface Attempt {
  number: number;
  startedAt: string;
  worker: string;
  device: string;
  /** How it ended; `null` while it runs. */
  ended: string | null;
  keptBlocks: number | null;
  keptSteps: number | null;
}

/** Return all attempts, oldest first. */
export function attemptsOf(events: JobEvent[]): Attempt[] {
  const attempts: Attempt[] = [];
  for (const event of events) {
    const last = attempts.at(-1);
    if (event.kind === "status" && event.status === "running") {
      const { worker = "", device = "" } = event.data as Record<string, string>;
      const startedAt = event.at;
      attempts.push({
        number: event.attempt,
        startedAt,
        worker,
        device,
        ended: null,
        keptBlocks: null,
        keptSteps: null,
      });
    } else if (last && event.attempt === last.number) {
      if (event.kind === "resumed") {
        last.keptBlocks = number(event.data.resumed_from_block) ?? last.keptBlocks;
        last.keptSteps = number(event.data.resumed_from_step) ?? last.keptSteps;
      }
      if (event.kind === "status" && last.ended === null) last.ended = endInWords(event);
    }
  }
  return attempts;
}

function endInWords(event: JobEvent): string | null {
  if (event.status === "pausing" || event.status === "cancelling") return null;
  const { reason, error } = event.data as { reason?: string; error?: { title: string } | null };
  if (typeof reason !== "string") return event.status;
  const why = reason === "postponed" && error ? `: ${asClause(error.title)}` : "";
  return reason.replaceAll("_", " ") + why;
}
