import { expect, it } from "vitest";
import { isSame } from "../../../api/description.ts";
import { ProblemError } from "../../../api/problem.ts";
import { makeJob } from "../../../testing.ts";
import { draftOf, labelProblems, patchOf, rebased } from "./draft.ts";

const JOB = makeJob({ name: "old", priority: 2, labels: { team: "nlp", run: "7" } });
const DRAFT = draftOf(JOB);

it("omits fields that were not edited", () => {
  expect(patchOf(JOB, DRAFT)).toEqual({});
});

it("lists what was changed, removed and added", () => {
  const labels = [
    { key: 0, name: "team", value: " vision " },
    { key: 5, name: "note", value: "a, b=c" },
    { key: 6, name: "", value: "" },
  ];
  expect(patchOf(JOB, { name: " ", priority: "-3", labels })).toEqual({
    name: null,
    priority: -3,
    labels: { team: "vision", note: "a, b=c", run: null },
  });
  expect(patchOf(JOB, { ...DRAFT, priority: "" })).toEqual({ priority: null });
});

it("keeps edited fields when someone else has changed the others", () => {
  const now = { name: "theirs", priority: 5, labels: { team: "vision", new: "1", run: "7" } };
  const touched = {
    name: "mine",
    priority: String(JOB.priority),
    labels: [
      { key: 0, name: "team", value: "nlp" },
      { key: 1, name: "note", value: "n" },
    ],
  };
  const draft = rebased(JOB, touched, now);
  expect(draft).toMatchObject({ name: "mine", priority: "5" });
  expect(draft.labels.map(({ name, value }) => `${name}=${value}`)).toEqual([
    "team=vision",
    "new=1",
    "note=n",
  ]);
  expect(patchOf(now, draft)).toEqual({ name: "mine", labels: { run: null, note: "n" } });
});

it("submits text that is no number, which the service refuses", () => {
  expect(patchOf(JOB, { ...DRAFT, priority: "high" })).toEqual({ priority: "high" });
});

it("finds the line of labels that is wrong", () => {
  const problem = (pointer: string) =>
    new ProblemError({
      type: "/problems/invalid_request",
      title: "",
      status: 422,
      code: "invalid_request",
      detail: "",
      retryable: false,
      instance: null,
      request_id: null,
      hint: null,
      errors: [{ pointer, code: "string_pattern_mismatch", detail: "no such name" }],
    });
  const labels = [
    { key: 3, name: "a/b c", value: "x" },
    { key: 4, name: "", value: "y" },
    { key: 5, name: "", value: "" },
  ];
  expect([...labelProblems(labels, problem("/labels/a~1b c"))]).toEqual([[3, "no such name"]]);
  expect([...labelProblems(labels, problem("/labels/"))]).toEqual([[4, "no such name"]]);
  const twice = [...labels, { key: 6, name: "a/b c ", value: "z" }];
  expect([...labelProblems(twice, null).keys()]).toEqual([6]);
});

it("compares labels regardless of their order", () => {
  expect(isSame(JOB, { ...JOB, labels: { run: "7", team: "nlp" } })).toBe(true);
  expect(isSame(JOB, { ...JOB, labels: { run: "8", team: "nlp" } })).toBe(false);
  expect(isSame(JOB, { ...JOB, name: null })).toBe(false);
});
