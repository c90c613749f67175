import { expect, it } from "vitest";
import type { Field } from "../../spec/fields.ts";
import { sweepOf, valuesIn } from "./grid.ts";

const field = (name: string, kind: Field["kind"], choices: string[] = []): Field => ({
  name,
  label: name,
  kind,
  isRequired: false,
  help: "",
  choices,
  fallback: null,
  example: "",
});

it("reads values of each kind", () => {
  expect(valuesIn(field("sparsity", "number"), "0.4, 0.5,,0.6")).toEqual([0.4, 0.5, 0.6]);
  expect(valuesIn(field("pattern", "text"), "none, 2:4")).toEqual([null, "2:4"]);
  expect(valuesIn(field("allocation", "choice-or-list", ["owl"]), "uniform, owl, owl:0.1")).toEqual(
    ["uniform", "owl", { name: "owl", spread: 0.1 }],
  );
});

it("varies only what has several values, and the sparsity", () => {
  expect(sweepOf({ model: "m" }, { sparsity: [0.4, 0.5], method: ["wanda"], pattern: [] })).toEqual(
    {
      model: "m",
      method: "wanda",
      grid: { sparsity: [0.4, 0.5] },
    },
  );
  expect(sweepOf({}, { sparsity: [0.5], method: [] })).toEqual({ grid: { sparsity: [0.5] } });
  expect(sweepOf({}, { sparsity: [], pattern: ["2:4"] })).toEqual({ grid: { pattern: ["2:4"] } });
  expect(sweepOf({}, { ratio: [0.2], method: ["depth"] })).toEqual({
    method: "depth",
    grid: { ratio: [0.2] },
  });
});
