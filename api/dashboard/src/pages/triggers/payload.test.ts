import { expect, it } from "vitest";
import { filling, fitting, labelFor, requiring, rowsOf, valuesIn } from "./payload.ts";
import { TEMPLATES } from "./templates.ts";

it("names every value by its pointer", () => {
  expect(valuesIn({ a: { "b/c": 1, "d~e": [true, null] } })).toEqual([
    { pointer: "/a/b~1c", value: 1 },
    { pointer: "/a/d~0e/0", value: true },
    { pointer: "/a/d~0e/1", value: null },
  ]);
});

it("lists what the trigger uses, also where the payload lacks it", () => {
  expect(rowsOf({ a: 1 }, { "/b": "x" }, { model: "/a", name: "/c" }).rows).toEqual([
    { pointer: "/a", value: 1 },
    { pointer: "/b", value: undefined },
    { pointer: "/c", value: undefined },
  ]);
  expect(rowsOf(undefined, {}, {})).toEqual({ rows: [], total: 0 });
});

it("lists the first values of a long payload, and those after them that the trigger uses", () => {
  const payload = { many: Array.from({ length: 70 }, (_, place) => place), ref: "main" };
  const { rows, total } = rowsOf(payload, { "/ref": "main" }, { name: "/many/65" });
  expect(rows.slice(59)).toEqual([
    { pointer: "/many/59", value: 59 },
    { pointer: "/many/65", value: 65 },
    { pointer: "/ref", value: "main" },
  ]);
  expect(total).toBe(71);
});

it("fills a field from one value, and requires values", () => {
  expect(filling({ model: "/a" }, "/b", "model")).toEqual({ model: "/b" });
  expect(filling({ model: "/a" }, "/a", "name")).toEqual({ name: "/a" });
  expect(filling({ model: "/a" }, "/a", "")).toEqual({});
  expect(requiring({}, { pointer: "/a", value: 1 }, true)).toEqual({ "/a": 1 });
  expect(requiring({ "/a": 1 }, { pointer: "/a", value: 1 }, false)).toEqual({});
  expect(labelFor("/updatedRefs/0/new sha")).toBe("labels.new-sha");
});

it("has for each source a payload with all that its template uses", () => {
  for (const { payload, filter, map } of Object.values(TEMPLATES)) {
    expect(rowsOf(payload, filter, map).rows.every(({ value }) => value !== undefined)).toBe(true);
  }
});

it("is changed so that a filter takes it", () => {
  const payload = { ref: "refs/heads/dev", repo: { name: "a" } };
  const filter = { "/ref": "refs/heads/main", "/repo/name": ["b", "c"], "/new/x~1y": 1 };
  expect(fitting(payload, filter)).toEqual({
    ref: "refs/heads/main",
    repo: { name: "b" },
    new: { "x/y": 1 },
  });
  expect(payload.repo.name).toBe("a");
});
