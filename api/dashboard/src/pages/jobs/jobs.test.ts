import { describe, expect, it } from "vitest";
import { createdWithin } from "../../api/created-within.ts";
import { makeJob, makeSpec } from "../../testing.ts";
import { toggled } from "../../ui/toggled.ts";
import { cleared, filterOf, isFiltered, nextSort, searchOf, withLabel } from "./filters/filter.ts";
import { BUILT_IN, savedViews, withoutView, withView } from "./filters/views.ts";
import { between } from "./selection.ts";
import { namesOf, shownOf } from "./table/chosen-columns.ts";
import { entriesOf, jobsOf, pointNames, pointsOf } from "./table/entries.ts";

describe("a filter", () => {
  it("is written to the address and parsed back", () => {
    const filter = {
      status: ["failed" as const, "queued" as const],
      verdict: "fail",
      method: "wanda",
      model: "org/model",
      label: ["team:a&b", "run:7, again"],
      created_by: "key_1",
      sweep: "swp_1",
      time: "custom",
      from: "2026-01-05T09:30",
      to: "2026-01-06T09:30",
      q: "a&b=c ü",
      sort: "-perplexity_ratio" as const,
    };
    expect(filterOf(searchOf(filter))).toEqual(filter);
    expect(searchOf(filterOf(""))).toBe("");
    expect(filterOf("sort=name").sort).toBe("-created");
    expect(isFiltered(filterOf("sort=created"))).toBe(false);
    expect(isFiltered(filterOf("label=team:a"))).toBe(true);
    expect(searchOf(cleared(filter))).toBe("sort=-perplexity_ratio");
  });

  it("has one value of a label", () => {
    expect(withLabel(["team:a:b", "run:7"], "team:c")).toEqual(["run:7", "team:c"]);
    expect(withLabel(["team:a"], "teams:a")).toEqual(["team:a", "teams:a"]);
  });

  it("toggles", () => {
    expect(toggled(toggled<string>([], "a"), "b")).toEqual(["a", "b"]);
    expect(toggled(["a", "b"], "a")).toEqual(["b"]);
  });
});

it("a metric's heading sorts ascending, then descending, then by time again", () => {
  expect(nextSort("-created", "seconds")).toBe("seconds");
  expect(nextSort("seconds", "seconds")).toBe("-seconds");
  expect(nextSort("-seconds", "seconds")).toBe("-created");
  expect(nextSort("-created", "created")).toBe("created");
});

it("yesterday is the day before, in this time zone, from its first moment to its last", () => {
  const now = new Date(2026, 0, 1, 15, 30);
  const { created_after = "", created_before = "" } = createdWithin({ time: "yesterday" }, now);
  const isWithin = (moment: Date) =>
    moment > new Date(created_after) && moment < new Date(created_before);
  expect(isWithin(new Date(2025, 11, 31, 0, 0))).toBe(true);
  expect(isWithin(new Date(2025, 11, 31, 23, 59, 59, 999))).toBe(true);
  expect(isWithin(new Date(2025, 11, 30, 23, 59, 59, 999))).toBe(false);
  expect(isWithin(new Date(2026, 0, 1, 0, 0))).toBe(false);
  expect(createdWithin({ time: "custom", from: "nonsense" }, now)).toEqual({});
  expect(createdWithin({}, now)).toEqual({});
});

describe("the rows", () => {
  const jobs = [
    makeJob({ id: "a" }),
    makeJob({ id: "b", sweep_id: "s" }),
    makeJob({ id: "c" }),
    makeJob({ id: "d", sweep_id: "s" }),
    makeJob({ id: "e", sweep_id: "alone" }),
  ];

  it("fold a sweep at its first job, unless it has one", () => {
    const entries = entriesOf(jobs, true);
    expect(entries.map(({ id }) => id)).toEqual(["a", "s", "c", "e"]);
    expect(entries.map(({ kind }) => kind)).toEqual(["job", "sweep", "job", "job"]);
    expect(entries.flatMap(jobsOf).map(({ id }) => id)).toEqual(["a", "b", "d", "c", "e"]);
    expect(entries.flatMap(pointsOf).map(({ id }) => id)).toEqual(["b", "d"]);
  });
  it("of a sweep are named by the values in which they differ", () => {
    const of = (id: string, method: "depth" | "wanda", ratio: number | null) =>
      makeJob({ id, sweep_id: "s", name: "all", spec: makeSpec({ method, ratio }) });
    const entries = entriesOf([of("a", "depth", 0.1), of("b", "wanda", null)], true);
    const names = entries.flatMap(pointsOf).map((one) => one.kind === "job" && one.name);
    expect(names).toEqual(["10 %, depth", "no ratio, wanda"]);
    expect(pointNames([...jobs.slice(0, 1), of("x", "depth", 0.1), of("y", "depth", 0.2)])).toEqual(
      new Map([
        ["x", "10 %"],
        ["y", "20 %"],
      ]),
    );
    expect(entriesOf(jobs, false).map(({ id }) => id)).toEqual(["a", "b", "c", "d", "e"]);
  });

  it("are selected from one to another in either direction", () => {
    expect(between(jobs, "d", "b").map(({ id }) => id)).toEqual(["b", "c", "d"]);
    expect(between(jobs, "b", "b").map(({ id }) => id)).toEqual(["b"]);
    expect(between(jobs, "gone", "b")).toEqual([]);
  });
});

it("the name of a job is always shown, and unknown columns are ignored", () => {
  expect(namesOf(shownOf(["perplexity", "gone"]))).toEqual(["name", "perplexity"]);
  expect(namesOf(shownOf(undefined))).toContain("verdict");
});

it("a view is saved in place of one with its name, and can be deleted", () => {
  const one = { name: "mine", search: "q=a" };
  let views = withView(withView([], one), { ...one, search: "q=b", columns: ["status"] });
  expect(savedViews()).toEqual([{ name: "mine", search: "q=b", columns: ["status"] }]);
  views = withoutView(views, "mine");
  expect(savedViews()).toEqual([]);
  for (const { search } of BUILT_IN) expect(searchOf(filterOf(search))).toBe(search);
  const unfinished = BUILT_IN.find(({ name }) => name === "Unfinished")?.search ?? "";
  expect(filterOf(unfinished).status).toContain("cancelling");
});
