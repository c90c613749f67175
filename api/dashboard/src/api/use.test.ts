import { expect, it } from "vitest";
import { csvAddress } from "../ui/csv.tsx";
import { weekOf } from "./use.ts";

it("begins a week on Monday, and ends it before the next one", () => {
  const monday = new Date(2026, 10, 30);
  for (const day of [monday, new Date(2026, 11, 3, 12), new Date(2026, 11, 6, 23, 59)]) {
    expect(weekOf(day)).toEqual({ after: monday, before: new Date(2026, 11, 7) });
  }
  expect(weekOf(new Date(2026, 11, 7)).after).toEqual(new Date(2026, 11, 7));
  expect(weekOf(monday, -1).after).toEqual(new Date(2026, 10, 23));
});

it("asks for a list as CSV with its filters and its order", () => {
  expect(csvAddress("workers", {})).toBe("/v1/workers.csv");
  const query = { status: ["failed", "queued"], model: undefined, q: "a b", sort: "-accuracy" };
  expect(csvAddress("jobs", query)).toBe(
    "/v1/jobs.csv?status=failed&status=queued&q=a+b&sort=-accuracy",
  );
});
