import { expect, test } from "vitest";
import { makeJob, makeSpec } from "../testing.ts";
import { taskRows } from "./tasks.ts";

const JOB = makeJob({
  spec: makeSpec({ tasks: ["boolq", "both"] }),
  result: {
    acc: { boolq: 0.6, copa: 0.5, both: 0.55 },
    dense_acc: { boolq: 0.65, copa: 0.5, both: 0.575 },
    acc_stderr: { boolq: 0.01 },
    acc_drop_stderr: { boolq: 0.005 },
    mcnemar_p: { boolq: 0.04 },
  },
});

test("a row has both accuracies, the interval and the p-value where there are some", () => {
  const [boolq, copa] = taskRows(JOB);
  expect(boolq).toEqual({
    task: "boolq",
    dense: 0.65,
    pruned: 0.6,
    denseInterval: null,
    interval: "± 2.0 %",
    dropInterval: 0.0098,
    pValue: 0.04,
    items: null,
    chance: 0.5,
  });
  expect(copa).toMatchObject({ interval: null, dropInterval: null, pValue: null });
});

test("a job without tasks has no rows", () => {
  expect(taskRows(makeJob())).toEqual([]);
});
