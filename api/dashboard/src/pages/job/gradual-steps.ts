/** The steps of a gradual job, from its events or its result. */

import type { Job, JobEvent } from "../../api/client.ts";
import { number } from "../../api/jobs.ts";
import type { Series } from "../../charts/series.ts";

/** The measurements of one step. */
export interface StepResult {
  step: number;
  sparsity: number | null;
  parameters: number | null;
  removed: number | null;
  perplexity: number | null;
  ratio: number | null;
  seconds: number | null;
  /** The bounds of the gate that its model violates. */
  failures: string[];
}

/** A step's number, from 1, and the number of all steps. */
export interface Place {
  number: number;
  total: number;
}

/** Return the step that the newest event is of; undefined for a job that is not gradual. */
export function placeOf(events: JobEvent[]): Place | undefined {
  return events
    .map(stepOf)
    .filter((one) => one !== undefined)
    .at(-1);
}

/** Return the events of the newest step; of a job that is not gradual, all. */
export function ofLastStep(events: JobEvent[]): JobEvent[] {
  const last = placeOf(events)?.number;
  return last === undefined ? events : events.filter((one) => stepOf(one)?.number === last);
}

/** Return the results of the steps; those that a later attempt repeats are replaced by its own. */
export function stepResults(job: Job, events: JobEvent[]): StepResult[] {
  const reported = events.map((event) => stepOf(event)?.result ?? null);
  const measured = (job.result?.steps as unknown[] | undefined) ?? reported;
  const byStep = new Map<number, StepResult>();
  for (const one of measured) {
    if (typeof one !== "object" || one === null) continue;
    const result = resultOf(one as Record<string, unknown>);
    byStep.set(result.step, result);
  }
  return [...byStep.values()].sort((a, b) => a.step - b.step);
}

/** Return the curve of the perplexity. */
export function stepCurve(results: StepResult[]): Series[] {
  const dots = results.flatMap(({ step, perplexity }) =>
    perplexity === null ? [] : [{ x: step, y: perplexity }],
  );
  return [{ name: "Perplexity", style: 0, kind: "line", dots }];
}

function resultOf(measured: Record<string, unknown>): StepResult {
  const { gate_failures } = measured;
  return {
    step: Number(measured.step),
    sparsity: number(measured.sparsity),
    parameters: number(measured.parameters),
    removed: number(measured.parameters_removed),
    perplexity: number(measured.pruned_perplexity),
    ratio: number(measured.perplexity_ratio),
    seconds: number(measured.seconds),
    failures: Array.isArray(gate_failures) ? gate_failures.map(String) : [],
  };
}

function stepOf({ data }: JobEvent): (Place & { result: unknown }) | undefined {
  return data.step as (Place & { result: unknown }) | undefined;
}
