import { describe, expect, it } from "vitest";
import { filterOf, isFiltered, searchOf, toggled } from "./filter.ts";
import { windowOf } from "./windowed.ts";

describe("a filter", () => {
  it("comes back from the address bar as it went in", () => {
    const filter = {
      status: ["failed" as const, "queued" as const],
      method: "wanda",
      q: "a&b=c ü",
      sort: "created" as const,
    };
    expect(filterOf(searchOf(filter))).toEqual(filter);
    expect(searchOf(filterOf(""))).toBe("");
    expect(isFiltered(filterOf("sort=created"))).toBe(false);
    expect(isFiltered(filterOf("q=x"))).toBe(true);
  });

  it("toggles", () => {
    expect(toggled(toggled<string>([], "a"), "b")).toEqual(["a", "b"]);
    expect(toggled(["a", "b"], "a")).toEqual(["b"]);
  });
});

describe("a long list", () => {
  it("keeps some thirty rows of ten thousand, wherever it is scrolled to", () => {
    for (const top of [-200, 0, 5_000, 639_000, 700_000]) {
      const { first, end } = windowOf(top, 900, 64, 10_000);
      expect(end - first).toBeLessThanOrEqual(32);
      expect(first).toBeGreaterThanOrEqual(0);
      expect(end).toBeLessThanOrEqual(10_000);
    }
    const middle = windowOf(64 * 500, 640, 64, 10_000);
    expect(middle).toEqual({ first: 492, end: 518 });
  });
});
