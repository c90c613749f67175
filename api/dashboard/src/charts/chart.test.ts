import { expect, it } from "vitest";
import { across, canBeLog, isWide, upwards } from "./bounds.ts";
import { inWords, moved } from "./focus.ts";
import { classesOf, shapeOf } from "./look.ts";
import { paretoFront } from "./scale.ts";
import { type Drawing, rowsOf, type Series } from "./series.ts";
import { apart, logTicks, ticks, tickTexts } from "./ticks.ts";
import { seriesOf } from "./tradeoff.tsx";

const series = (name: string, dots: [number, number][], kind: Series["kind"] = "dots"): Series => ({
  ...{ name, kind, style: 0 },
  dots: dots.map(([x, y]) => ({ x, y })),
});
const drawing = (all: Series[], more: Partial<Drawing> = {}): Drawing => ({
  series: all,
  rules: [],
  x: { title: "Sparsity", unit: "percent" },
  y: { title: "Perplexity", unit: "number" },
  isLog: false,
  ...more,
});

it("rows are sorted by x, and two dots of a series at one x have a row each", () => {
  const { xs, columns } = rowsOf([
    series("a", [
      [2, 1],
      [1, 5],
      [1, 6],
    ]),
    series("b", [[1, 7]]),
  ]);
  expect(xs).toEqual([1, 1, 2]);
  expect(columns.map((column) => column.map((dot) => dot?.y ?? null))).toEqual([
    [5, 6, 1],
    [7, null, null],
  ]);
});

it("ticks are round and inside the bounds", () => {
  expect(ticks(0, 1)).toEqual([0, 0.25, 0.5, 0.75, 1]);
  expect(ticks(17.7, 63.9)).toEqual([20, 40, 60]);
  expect(ticks(0.3, 0.7)).toEqual([0.3, 0.4, 0.5, 0.6, 0.7]);
  expect(ticks(5, 5)).toEqual([5]);
  expect(ticks(-0.6, 1.6, 8, true)).toEqual([0, 1]);
  expect(ticks(1, 16, 6, true)).toEqual([5, 10, 15]);
  expect(logTicks(0.9, 1100)).toEqual([1, 10, 100, 1000]);
  expect(logTicks(17.7, 63.9, 4)).toEqual([20, 40, 60]);
});

it("labels at the data do not cover each other", () => {
  expect(apart([0.3, 0.309, 0.4, 0.5], 0.25, 0.45, 0.1)).toEqual([0.3, 0.4]);
});

it("the labels of a flat curve differ from each other", () => {
  const flat = series(
    "loss",
    [
      [1, 3.1234],
      [2, 3.1235],
      [3, 3.1234],
    ],
    "line",
  );
  const labels = (bounds: [number, number]) => tickTexts(ticks(...bounds), "number");
  const found = labels(upwards(drawing([flat]), 3.1234, 3.1235));
  expect(found.length).toBeGreaterThan(2);
  expect(new Set(found).size).toBe(found.length);
  expect(new Set(labels(upwards(drawing([flat]), 3, 3))).size).toBeGreaterThan(1);
});

it("labels have as many digits as they need", () => {
  expect(tickTexts([0.4, 0.5], "percent")).toEqual(["40 %", "50 %"]);
  expect(tickTexts([0.45, 0.475], "percent")).toEqual(["45 %", "47.5 %"]);
  expect(tickTexts([5000, 12_500], "number")).toEqual(["5,000", "12,500"]);
  expect(tickTexts([0.00001, 0.00002], "number")).toEqual(["1.00e-5", "2.00e-5"]);
});

it("bounds hold the rules, have room, and bars start at zero", () => {
  const rules = [{ name: "gate", at: 20, axis: "y" as const }];
  const dots = [
    series("a", [
      [0.4, 10],
      [0.6, 12],
    ]),
  ];
  expect(upwards(drawing(dots, { rules }), 10, 12)[1]).toBeGreaterThan(20);
  expect(across(drawing(dots), rowsOf(dots)).map((at) => Number(at.toFixed(3)))).toEqual([
    0.388, 0.612,
  ]);
  expect(upwards(drawing([series("a", [], "bars")]), 3, 4)[0]).toBe(0);
  expect(upwards(drawing([series("a", [], "bars")]), 3, 3)[0]).toBe(0);
  expect(canBeLog(drawing([series("a", [[0, 0]])]))).toBe(false);
});

it("dots a factor of ten apart have a logarithmic axis, lines do not", () => {
  const dots = (high: number, kind: Series["kind"] = "dots") => [
    series(
      "a",
      [
        [0.4, 4.6],
        [0.7, high],
      ],
      kind,
    ),
  ];
  const rules = [{ name: "dense", at: 3.97, axis: "y" as const }];
  expect(isWide(drawing(dots(244)))).toBe(true);
  expect(isWide(drawing(dots(244, "line")))).toBe(false);
  expect(isWide(drawing(dots(40)))).toBe(false);
  expect(isWide(drawing(dots(40), { rules }))).toBe(true);
});

it("a little more reduction at a far higher perplexity is not on the Pareto front", () => {
  const front = paretoFront([
    { x: 0.7018, y: 244 },
    { x: 0.7, y: 47 },
    { x: 0.5, y: 10 },
  ]);
  expect(front.map(({ y }) => y)).toEqual([10, 47]);
});

it("arrow keys move between the dots that are shown", () => {
  const all = [
    series("a", [
      [1, 1],
      [2, 2],
    ]),
    series("b", [[1, 3]]),
  ];
  const rows = rowsOf(all);
  const first = moved("Home", null, rows, [true, true]);
  expect(first).toEqual({ row: 0, column: 0 });
  expect(moved("ArrowRight", first, rows, [true, true])).toEqual({ row: 1, column: 0 });
  expect(moved("ArrowDown", first, rows, [true, true])).toEqual({ row: 0, column: 1 });
  expect(moved("ArrowDown", first, rows, [true, false])).toEqual({ row: 1, column: 0 });
  expect(moved("x", first, rows, [true, true])).toBeNull();
  expect(inWords(drawing(all), rows, { row: 1, column: 0 })).toBe(
    "a: Sparsity 200 %, Perplexity 2.00",
  );
});

it("each of as many jobs as can be compared looks different", () => {
  const styles = Array.from({ length: 20 }, (_, style) => classesOf(style));
  expect(new Set(styles).size).toBe(20);
});

it("dots of different colours have different shapes", () => {
  const shapes = Array.from({ length: 6 }, (_, style) => JSON.stringify(shapeOf(style)));
  expect(new Set(shapes).size).toBe(6);
});

it("jobs are grouped by series, in front of the Pareto front", () => {
  const job = (x: number, y: number, name: string) => ({ x, y, series: name, style: 1 });
  const all = seriesOf([job(0.4, 9, "wanda"), job(0.5, 8, "ria"), job(0.6, 10, "wanda")]);
  expect(all.map(({ name, dots }) => [name, dots.length])).toEqual([
    ["Pareto front", 2],
    ["wanda", 2],
    ["ria", 1],
  ]);
});
