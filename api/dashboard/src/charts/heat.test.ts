import { expect, it } from "vitest";
import type { Block } from "../api/jobs.ts";
import { blockInWords, heatRows, SHADES } from "./heat.ts";

function block(index: number, overrides: Partial<Block> = {}): Block {
  const measured = {
    sparsity: 0.5,
    error: null,
    seconds: 1,
    coverage: 1,
    refinement: null,
    layers: [],
    removed: [],
    quantized: [],
    isDropped: false,
    distance: null,
    experts: null,
  };
  return { index, name: `layers.${index}`, ...measured, ...overrides };
}

it("shades run from the lowest to the highest figure, errors by their ratio", () => {
  const blocks = [0.01, 0.1, 1].map((error, index) => block(index, { error, seconds: index }));
  const [sparsity, error, seconds] = heatRows(blocks, 4);
  expect(sparsity?.shades).toEqual([3, 3, 3, null]);
  expect(error?.shades).toEqual([0, 3, SHADES - 1, null]);
  expect(seconds?.shades).toEqual([0, 3, SHADES - 1, null]);
  expect([error?.low, error?.high]).toEqual(["0.01", "1.00"]);
});

it("what was not measured has no row, and an error of zero does not break the scale", () => {
  expect(heatRows([block(0)], 1).map(({ name }) => name)).toEqual(["Sparsity", "Seconds"]);
  const rows = heatRows([block(0, { error: 0 }), block(1, { error: 1 })], 2);
  expect(rows[1]?.shades).toEqual([0, SHADES - 1]);
  expect(heatRows([], 3)).toEqual([]);
});

it("a block has a text for screen readers", () => {
  expect(blockInWords(block(2, { error: 0.25 }), 2)).toBe(
    "Block 3: sparsity 50.0 %, error 0.25, seconds 1.0 s",
  );
  expect(blockInWords(undefined, 9)).toBe("Block 10: not pruned yet");
});
