import { expect, it } from "vitest";
import { classOf, extent, linear, logarithmic, paretoFront, path } from "./scale.ts";

it("scales put the bounds at the ends and equal values in the middle", () => {
  expect([0, 5, 10].map(linear(0, 10))).toEqual([0, 0.5, 1]);
  expect(linear(3, 3)(3)).toBe(0.5);
  expect(logarithmic(1, 100)(10)).toBeCloseTo(0.5);
});

it("bounds pass over what is missing", () => {
  expect(extent([null, 2, Number.NaN, -1])).toEqual([-1, 2]);
  expect(extent([null])).toBeNull();
});

it("classes take in both ends", () => {
  expect([0, 0.49, 0.99, 1, 2, -1].map((share) => classOf(share, 5))).toEqual([0, 2, 4, 4, 4, 0]);
});

it("the front is what nothing beats, found as by comparing every pair", () => {
  let seed = 1;
  const random = () => {
    seed = (seed * 16_807) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  for (let round = 0; round < 50; round += 1) {
    const points = Array.from({ length: 12 }, () => ({
      x: Math.round(random() * 5) / 5,
      y: Math.round(random() * 8),
    }));
    const beaten = (p: (typeof points)[0]) =>
      points.some((q) => q.x >= p.x && q.y <= p.y && (q.x > p.x || q.y < p.y));
    const wanted = points.filter((p) => !beaten(p)).map(({ x, y }) => `${x} ${y}`);
    const found = paretoFront(points).map(({ x, y }) => `${x} ${y}`);
    expect(new Set(found)).toEqual(new Set(wanted));
    expect(found).toEqual([...new Set(found)]);
  }
});

it("a path has a gap where a value is missing", () => {
  const same = (value: number) => value;
  expect(path([1, 2, null, 4], same, same)).toBe("M0,1L1,2M3,4");
});
