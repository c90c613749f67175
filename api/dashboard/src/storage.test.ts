import { afterEach, expect, it, vi } from "vitest";
import { keep, kept } from "./storage.ts";

afterEach(() => void vi.unstubAllGlobals());

it("keeps things for as long as the page is there where the browser denies storage", () => {
  const deny = () => {
    throw new DOMException("denied", "SecurityError");
  };
  vi.stubGlobal("localStorage", { getItem: deny, setItem: deny, removeItem: deny });
  expect(kept("a")).toBeNull();
  keep("a", "b");
  expect(kept("a")).toBe("b");
  keep("a", null);
  expect(kept("a")).toBeNull();
});
