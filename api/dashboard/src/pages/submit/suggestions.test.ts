import { expect, it } from "vitest";
import { completions } from "./use-suggestions.ts";

const KNOWN = [
  { value: "wanda7", label: "a suite" },
  { value: "uploaded:dat_1", label: "questions", shown: "q.jsonl (uploaded)" },
];

it("suggests each name for an empty list, and while the first one is typed", () => {
  expect(completions("", KNOWN)).toEqual(KNOWN);
  expect(completions("upl", KNOWN)).toEqual(KNOWN);
});

it("adds a name to those that are complete, and no name twice", () => {
  const added = completions("boolq,wanda7, upl", KNOWN);
  expect(added).toEqual([
    {
      value: "boolq, wanda7, uploaded:dat_1",
      label: "questions",
      shown: "boolq, wanda7, q.jsonl (uploaded)",
    },
  ]);
});
