import { describe, expect, it } from "vitest";
import {
  ago,
  blockNumber,
  blocksInWords,
  bytes,
  change,
  count,
  duration,
  figure,
  modelName,
  moment,
  NONE,
  percent,
  points,
  stamp,
  wholeSeconds,
  zone,
} from "./format.ts";

describe("figures", () => {
  it("are four digits or so at every size", () => {
    expect([0, 0.0000123, 0.01234, 8.6412, 17.7, 193.84, 39451.8].map(figure)).toEqual([
      "0",
      "1.2e-5",
      "0.0123",
      "8.64",
      "17.70",
      "193.8",
      "39,452",
    ]);
  });
  it("that are shares differ by percentage points", () => {
    expect([points(0.65, 0.6), points(0.6, 0.625), points(0.5, 0.5), points(null, 1)]).toEqual([
      "−5.0 points",
      "+2.5 points",
      "±0.0 points",
      NONE,
    ]);
  });
  it("that are missing are a dash, never NaN", () => {
    expect([
      figure(null),
      figure(Number.NaN),
      percent(undefined),
      bytes(null),
      count(null),
    ]).toEqual(Array(5).fill(NONE));
    expect([change(0, 3), change(null, 1), duration(Number.POSITIVE_INFINITY)]).toEqual(
      Array(3).fill(NONE),
    );
  });
  it("keep whole percents whole", () => {
    expect([percent(0.6, 0), percent(0.6666), percent(0.1), percent(1), percent(0)]).toEqual([
      "60 %",
      "66.7 %",
      "10 %",
      "100 %",
      "0 %",
    ]);
  });
  it("show a change with its sign, and large ones as a multiple", () => {
    expect([change(10, 11), change(10, 9), change(10, 10), change(2, 100)]).toEqual([
      "+10.0 %",
      "−10.0 %",
      "±0.0 %",
      "× 50.00",
    ]);
  });
});

describe("times and sizes", () => {
  it("choose their unit", () => {
    expect([3.21, 59, 61, 3600, 5400, 400_000].map(duration)).toEqual([
      "3.2 s",
      "59 s",
      "1 min 1 s",
      "1 h 0 min",
      "1 h 30 min",
      "5 days",
    ]);
    expect([0, 999, 1500, 93_000_000, 4_167_000_000].map(bytes)).toEqual([
      "0 B",
      "999 B",
      "1.5 kB",
      "93.0 MB",
      "4.2 GB",
    ]);
    expect([1000, 30_000, 120_000, 7_200_000, 90_000_000].map((ms) => ago(0, ms))).toEqual([
      "just now",
      "30 s ago",
      "2 min ago",
      "2 h ago",
      "1 d ago",
    ]);
  });
  it("never show sixty seconds", () => {
    expect(duration(119.7)).toBe("2 min 0 s");
  });
});

it("shortens the name of a model to its last part", () => {
  expect(["meta-llama/Llama-3.1-8B", "local:a/b", "local:tiny"].map(modelName)).toEqual([
    "Llama-3.1-8B",
    "b",
    "tiny",
  ]);
  expect(modelName("job:job_01920c3b5f7a7c3e8a4d2b1f6e5d4c3b")).toBe("result of 6e5d4c3b");
});

it("times have their date and their zone", () => {
  const then = "2026-01-05T09:31:00Z";
  expect(moment(then)).toContain(zone());
  expect(stamp(then)).toMatch(/Jan.*0?[456]/);
  expect(wholeSeconds(9.7)).toBe("9 s");
});

it("numbers blocks by the same count everywhere", () => {
  expect(blockNumber(0)).toBe(1);
  expect(blocksInWords("running", { index: 0, total: 16 })).toBe("1 of 16 blocks");
});
