import { expect, it } from "vitest";
import { makeEvent, makeJob } from "../../testing.ts";
import { ofLastStep, placeOf, stepCurve, stepResults } from "./gradual-steps.ts";
import { finishedBlocks } from "./kept.ts";
import { lossesOf } from "./recovery-steps.ts";

const event = (number: number, data: object = {}, result: object | null = null, attempt = 1) =>
  makeEvent({ attempt, data: { fraction: 0.5, step: { number, total: 4, result }, ...data } });
const measured = (step: number, pruned_perplexity: number, gate_failures: string[] = []) => ({
  ...{ step, pruned_perplexity, gate_failures, sparsity: step / 8, seconds: 2 },
});
const block = (index: number) => ({ block: { index, total: 8, name: "b" } });
const loss = (step: number, value: number) => ({
  recovery: { stage: "training", step, steps: 4, loss: value, tokens_per_second: 1 },
});

it("the results are those of the newest attempt, until the job has its own", () => {
  const events = [
    event(1, {}, measured(1, 20)),
    event(2, {}, measured(2, 22)),
    event(2, {}, measured(2, 23), 2),
    event(3, block(0), null, 2),
  ];
  const followed = stepResults(makeJob(), events);
  expect(followed.map(({ step, perplexity }) => [step, perplexity])).toEqual([
    [1, 20],
    [2, 23],
  ]);
  expect(stepCurve(followed)[0]?.dots).toEqual([
    { x: 1, y: 20 },
    { x: 2, y: 23 },
  ]);
  const result = { steps: [measured(1, 20), measured(2, 99, ["too high"])] };
  const ended = stepResults(makeJob({ result } as never), events);
  expect(ended.map(({ failures }) => failures)).toEqual([[], ["too high"]]);
});

it("the newest event says which step the job is at", () => {
  expect(placeOf([event(1), event(3)])).toMatchObject({ number: 3, total: 4 });
  expect(placeOf([makeEvent({ data: {} })])).toBeUndefined();
  expect(ofLastStep([event(1), event(2), event(2)])).toHaveLength(2);
  expect(ofLastStep([makeEvent(), makeEvent()])).toHaveLength(2);
});

it("losses and kept blocks are those of the newest step alone", () => {
  const events = [event(1, block(7)), event(1, loss(1, 5)), event(1, loss(2, 4))];
  expect(finishedBlocks(events, 1)).toBe(8);
  expect(lossesOf(events).map(({ loss }) => loss)).toEqual([5, 4]);
  const later = [...events, event(2, block(2)), event(2, loss(1, 3))];
  expect(finishedBlocks(later, 1)).toBe(3);
  expect(lossesOf(later).map(({ loss }) => loss)).toEqual([3]);
});
