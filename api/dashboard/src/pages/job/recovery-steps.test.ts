import { expect, it } from "vitest";
import { makeEvent } from "../../testing.ts";
import { currentStep, curvesOf, lossesIn, lossesOf, stepInWords } from "./recovery-steps.ts";

const step = (attempt: number, stage: string, number: number, fields: object = {}) =>
  makeEvent({
    attempt,
    phase: "recovering",
    data: {
      fraction: 0.5,
      recovery: { stage, step: number, steps: 32, tokens_per_second: 1239.6, ...fields },
    },
  });

const events = [
  makeEvent({ data: { fraction: 0.4, block: { index: 1, total: 2, name: "layers.1" } } }),
  step(1, "teacher", 4),
  step(1, "training", 0, { loss: null, held_out_loss: 3.5 }),
  step(1, "training", 1, { loss: 3.25, held_out_loss: null }),
  step(1, "training", 2, { loss: 3.125, held_out_loss: 3 }),
  step(2, "training", 2, { loss: 2.5, held_out_loss: null }),
];

it("the losses are those of the training, and a repeated step has those of the last attempt", () => {
  const losses = lossesOf(events);
  expect(losses.map((one) => [one.step, one.loss, one.heldOut])).toEqual([
    [0, null, 3.5],
    [1, 3.25, null],
    [2, 2.5, null],
  ]);
  expect(curvesOf(losses)).toEqual([
    {
      ...{ name: "Training", style: 0, kind: "line" },
      dots: [1, 2].map((x, at) => ({ x, y: [3.25, 2.5][at] })),
    },
    { name: "Held out", style: 1, kind: "line", dots: [{ x: 0, y: 3.5 }] },
  ]);
});

it("a finished job's report has them as well", () => {
  const curve = [
    { step: 0, loss: null, held_out_loss: 3.5 },
    { step: 1, loss: 3.25, held_out_loss: null },
  ];
  expect(lossesIn({ recovery: { curve } }).map((one) => one.heldOut)).toEqual([3.5, null]);
  expect(lossesIn({})).toEqual([]);
});

it("a step is described with its stage and its speed", () => {
  const current = currentStep(events);
  expect(current && stepInWords(current)).toBe("training, step 2 of 32, 1,240 tokens per second");
  const teaching = currentStep(events.slice(0, 2));
  expect(teaching && stepInWords(teaching)).toMatch(/^dense model's predictions, block 4 of 32/);
  expect(currentStep(events.slice(0, 1))).toBeUndefined();
});
