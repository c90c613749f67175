import { expect, it } from "vitest";
import type { Block } from "../api/jobs.ts";
import { measured } from "./block-metrics.ts";

it("offers no metric whose chart would be empty axes", () => {
  const blocks = [
    { error: 0, seconds: null, sparsity: 0 },
    { error: 0, seconds: null, sparsity: 0.5 },
  ];
  expect(measured(blocks as Block[])).toEqual(["sparsity"]);
});
