import { expect, it } from "vitest";
import { csvAddress } from "../ui/csv.tsx";
import { weekOf } from "./use.ts";

it("begins a week on Monday in UTC, and ends it before the next one", () => {
  const at = (moment: string) => new Date(`${moment}Z`);
  const [monday, next] = [at("2026-11-30T00:00"), at("2026-12-07T00:00")];
  for (const day of [monday, at("2026-12-03T12:00"), at("2026-12-06T23:59")]) {
    expect(weekOf(day)).toEqual({ after: monday, before: next });
  }
  expect(weekOf(next).after).toEqual(next);
  expect(weekOf(monday, -1).after).toEqual(at("2026-11-23T00:00"));
});

it("asks for a list as CSV with its filters and its order", () => {
  expect(csvAddress("workers", {})).toBe("/v1/workers.csv");
  const query = { status: ["failed", "queued"], model: undefined, q: "a b", sort: "-accuracy" };
  expect(csvAddress("jobs", query)).toBe(
    "/v1/jobs.csv?status=failed&status=queued&q=a+b&sort=-accuracy",
  );
});
