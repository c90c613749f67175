import { expect, it } from "vitest";
import { share } from "./quotas.ts";

it("says what is used of what is allowed, or that there is no limit", () => {
  expect(share({ used: 3, allowed: 10 })).toBe("3 of 10");
  expect(share({ used: 0, allowed: null })).toBe("0, no limit");
  expect(share({ used: 1.256, allowed: 2.5 })).toBe("1.26 of 2.50");
  expect(share({ used: 1500, allowed: 2_000_000 }, "bytes")).toBe("1.5 kB of 2.0 MB");
});
