import { expect, it } from "vitest";
import type { Expert } from "../api/jobs.ts";
import { expertCells } from "./expert-cells.ts";
import { SHADES } from "./heat.ts";

function row(scores: number[], kept: number[], index = 0) {
  const experts: Expert[] = scores.map((score, at) => ({
    score,
    tokens: 100 - at,
    isKept: kept.includes(at),
  }));
  return {
    ...{ index, name: `layers.${index}`, experts, kept: kept.length },
    ...{ gateRemoved: 0, unrouted: 0 },
  };
}

const places = (path: string) =>
  [...path.matchAll(/M([\d.]+),([\d.]+)h/g)].map(([, x, y]) => [x, y]);

it("shades run by ratio from the lowest to the highest of a layer, and experts without a score are lowest", () => {
  const rows = [row([0.01, 0.1, 1, 0], [1, 2]), row([100, 1000, 10_000, 0], [1, 2], 1)];
  const cells = expertCells(rows, "score");
  const shades = cells.map(({ isKept, shade, path }) => [isKept, shade, places(path).length]);
  expect(shades).toEqual([
    [false, 0, 4],
    [true, 3, 2],
    [true, SHADES - 1, 2],
  ]);
  expect(places(cells[1]?.path ?? "")).toEqual([
    ["1.06", "0.1"],
    ["1.06", "1.1"],
  ]);
});

it("experts that are removed have another shape, and the other figure has its own shades", () => {
  const [removed, kept] = expertCells([row([1, 1], [1])], "score");
  expect([removed?.isKept, kept?.isKept, kept?.shade]).toEqual([false, true, 3]);
  expect(removed?.path).toContain("v0.3h");
  expect(kept?.path).toContain("v0.8h");
  expect(expertCells([row([1, 1], [1])], "tokens").map(({ shade }) => shade)).toEqual([6, 0]);
});

it("48 layers of 128 experts are at most 14 elements with every cell once", () => {
  const scores = Array.from({ length: 128 }, (_, at) => 1 + ((at * 37) % 128));
  const kept = scores.flatMap((score, at) => (score > 64 ? [at] : []));
  const rows = Array.from({ length: 48 }, (_, index) => row(scores, kept, index));
  const cells = expertCells(rows, "score");
  expect(cells.length).toBeLessThanOrEqual(2 * SHADES);
  const all = cells.flatMap(({ path }) => places(path));
  expect(all).toHaveLength(48 * 128);
  expect(new Set(all.map(String)).size).toBe(48 * 128);
});
