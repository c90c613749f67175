import type { Job, JobEvent } from "../../api/client.ts";
import { duration } from "../../format.ts";
import { useNow } from "../../ui/now.ts";
import { type Step, stepsOf } from "./phases.ts";

const STATES: Record<Step["state"], string> = {
  done: "done",
  current: "in progress",
  stopped: "stopped here",
  ahead: "not started",
  kept: "not started",
  skipped: "not needed",
};

/** What a phase does that its name does not say. */
const MORE: Partial<Record<Step["phase"], string>> = {
  pruning: "and measuring each block",
  evaluating: "after the last block",
};

export function PhaseStepper({ job, events }: { job: Job; events: JobEvent[] }) {
  const steps = stepsOf(job, events, useNow());
  return (
    <ol className="stepper" aria-label="Phases">
      {steps.map(({ phase, state, seconds, kept }) => (
        <li
          key={phase}
          className={`is-${state}`}
          aria-current={state === "current" ? "step" : undefined}
        >
          <span className="step-name">{phase}</span>
          <span className="unseen">, {STATES[state]}</span>
          <span className="faint figure">{seconds === null ? "" : duration(seconds)}</span>
          {MORE[phase] && seconds !== null && <span className="faint">{MORE[phase]}</span>}
          {kept && (
            <span className="step-kept figure">
              {kept.blocks} of {kept.total} blocks kept
            </span>
          )}
        </li>
      ))}
    </ol>
  );
}
