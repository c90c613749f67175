import { expect, test } from "vitest";
import { patternsInWords } from "./patterns.ts";

const patterns = (members: object) => ({ patterns: { matrices: 1210, ...members } });

test("the requested pattern holds, or does not hold in some matrices", () => {
  expect(patternsInWords(patterns({ requested: "2:4", held: ["2:4", "4:8"], broken: 0 }))).toBe(
    "2:4 holds in all 1,210 matrices",
  );
  expect(patternsInWords(patterns({ requested: "2:4", held: [], broken: 3 }))).toBe(
    "2:4 does not hold in 3 of 1,210 matrices",
  );
});

test("without a request, the patterns that hold are named", () => {
  expect(patternsInWords(patterns({ requested: null, held: ["2:4", "4:8"], broken: null }))).toBe(
    "2:4, 4:8 hold in all 1,210 matrices",
  );
  expect(patternsInWords(patterns({ requested: null, held: [], broken: null }))).toBeNull();
  expect(patternsInWords({ sparsity: 0.5 })).toBeNull();
});
