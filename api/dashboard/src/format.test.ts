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
  figures,
  margin,
  modelName,
  moment,
  NONE,
  percent,
  points,
  pValue,
  stamp,
  wholeSeconds,
  zone,
} from "./format.ts";

describe("figures", () => {
  it("have three significant digits, and all before the point", () => {
    const values = [0, 0.0000123, 0.01234, 0.8208, 1.04, 1, 17.7, 193.84, 999.7, 2412.8, 39451.8];
    expect(values.map(figure)).toEqual(
      "0 1.23e-5 0.0123 0.821 1.04 1.00 17.7 194 1,000 2,413 39,452".split(" "),
    );
  });
  it("that are compared have as many digits as tell them apart", () => {
    expect(figures(1.87974, 1.1)).toEqual(["1.88", "1.10"]);
    expect(figures(101.4, 101)).toEqual(["101.4", "101"]);
  });
  it("that are probabilities have a least one", () => {
    expect([1, 0.2188, 0.0004, null].map(pValue)).toEqual(["1.00", "0.219", "< 0.001", NONE]);
  });
  it("are formatted by this module only", () => {
    const sources = import.meta.glob<string>(
      ["./**/*.{ts,tsx}", "!./**/*.test.*", "!./format.ts"],
      {
        ...{ query: "?raw", import: "default", eager: true },
      },
    );
    const format = /\.to(Fixed|Exponential|Locale\w*)\(|Intl\.|(?<!Number\(\w+)\.toPrecision/;
    expect(Object.keys(sources)).toContain("./charts/ticks.ts");
    expect(Object.keys(sources).filter((name) => format.test(sources[name] ?? ""))).toEqual([]);
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
  it("that are shares have three digits as well, or those that were set", () => {
    const measured = [0.6666, 0.4, 0.07123, 0.00312, 1, 0].map((share) => percent(share));
    expect(measured).toEqual(["66.7 %", "40.0 %", "7.12 %", "0.312 %", "100 %", "0 %"]);
    expect([percent(0.6, 0), percent(0.625, 2)]).toEqual(["60 %", "62.5 %"]);
    expect([margin(0.098), margin(null)]).toEqual(["± 9.8", ""]);
  });
  it("show a change with its sign, and large ones as a multiple", () => {
    expect([change(10, 11), change(10, 9), change(10, 10), change(2, 100)]).toEqual([
      "+10.0 %",
      "−10.0 %",
      "±0.0 %",
      "× 50.0",
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
      "1.50 kB",
      "93.0 MB",
      "4.17 GB",
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
  expect(["local:stories260k/hf", "local:hf"].map(modelName)).toEqual(["stories260k/hf", "hf"]);
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
