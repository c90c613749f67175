/** The steps of a job's recovery, from its events or its report. */

import type { JobEvent } from "../../api/client.ts";
import { number } from "../../api/jobs.ts";
import type { Series } from "../../charts/series.ts";
import { count } from "../../format.ts";
import { ofLastStep } from "./gradual-steps.ts";

/** A reported step; the teacher's steps are the blocks of the dense model. */
export interface RecoveryStep {
  stage: string;
  step: number;
  steps: number;
  loss: number | null;
  heldOut: number | null;
  tokensPerSecond: number | null;
}

/** The losses at one step of the training. */
export type Losses = Pick<RecoveryStep, "step" | "loss" | "heldOut">;

/** Return the newest reported step. */
export function currentStep(events: JobEvent[]): RecoveryStep | undefined {
  return reported(events).at(-1);
}

/**
 * Return the losses by step; steps that a later attempt repeats are replaced by its own.
 *
 * Of a gradual job, they are those of the newest step that was trained.
 */
export function lossesOf(events: JobEvent[]): Losses[] {
  const trained = ofLastStep(events.filter(({ data }) => data.recovery !== undefined));
  const training = reported(trained).filter(({ stage }) => stage === "training");
  const byStep = new Map(training.map((one) => [one.step, one]));
  return [...byStep.values()].sort((a, b) => a.step - b.step);
}

/** Return the losses that a finished job's report contains. */
export function lossesIn(report: Record<string, unknown>): Losses[] {
  const { curve } = (report.recovery ?? {}) as { curve?: Record<string, unknown>[] };
  return (curve ?? []).map(losses);
}

export function curvesOf(points: Losses[]): Series[] {
  const curve = (name: string, style: number, loss: (one: Losses) => number | null): Series => ({
    ...{ name, style, kind: "line" },
    dots: points.flatMap((one) => {
      const y = loss(one);
      return y === null ? [] : [{ x: one.step, y }];
    }),
  });
  return [curve("Training", 0, ({ loss }) => loss), curve("Held out", 1, ({ heldOut }) => heldOut)];
}

/** Describe a step: "training, step 12 of 32, 1,240 tokens per second". */
export function stepInWords({ stage, step, steps, tokensPerSecond }: RecoveryStep): string {
  const unit = stage === "training" ? "step" : "block";
  const speed = count(tokensPerSecond ?? 0);
  return `${stageInWords(stage)}, ${unit} ${step} of ${steps}, ${speed} tokens per second`;
}

function stageInWords(stage: string): string {
  return stage === "teacher" ? "dense model's predictions" : stage;
}

function reported(events: JobEvent[]): RecoveryStep[] {
  return events.flatMap(({ data }) => {
    const step = data.recovery as Record<string, unknown> | undefined;
    return step ? [{ ...losses(step), ...place(step) }] : [];
  });
}

function losses(step: Record<string, unknown>): Losses {
  return {
    step: Number(step.step),
    loss: number(step.loss),
    heldOut: number(step.held_out_loss),
  };
}

function place(step: Record<string, unknown>) {
  return {
    stage: String(step.stage),
    steps: Number(step.steps),
    tokensPerSecond: number(step.tokens_per_second),
  };
}
