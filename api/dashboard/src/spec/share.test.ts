import { expect, it } from "vitest";
import { shareOf } from "./share.ts";

it("is parsed as a share or in percent", () => {
  for (const text of ["0.5", ".5", "50", "50 %", "50%", "50.0"]) expect(shareOf(text)).toBe(0.5);
  expect([shareOf("62.5"), shareOf("1 %"), shareOf("29"), shareOf("0")]).toEqual([
    0.625, 0.01, 0.29, 0,
  ]);
});

it("is kept as text if it cannot be parsed or is ambiguous", () => {
  expect([shareOf("1.5"), shareOf("1"), shareOf("250"), shareOf("-0.5"), shareOf("half")]).toEqual([
    1.5,
    1,
    250,
    -0.5,
    "half",
  ]);
});
