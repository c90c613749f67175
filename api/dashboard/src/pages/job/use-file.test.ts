import { expect, it } from "vitest";
import { summaryOf, type Verification } from "./use-file.ts";

const one = (outcome?: Verification["outcome"]): Verification => ({
  isBusy: outcome === undefined,
  outcome,
  message: "",
  error: null,
});

it("counts the files that are unchanged", () => {
  expect(summaryOf([], 3)).toBe("");
  expect(summaryOf([one("same"), one()], 3)).toBe("Reading file 2 of 3…");
  expect(summaryOf([one("same"), one("same")], 2)).toBe("✓ 2 of 2 files match");
  expect(summaryOf([one("same"), one("different"), one("unknown")], 3)).toBe(
    "1 of 3 files match, ✗ 1 differs, 1 not verified",
  );
});
