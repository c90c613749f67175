import { afterEach, expect, it, vi } from "vitest";
import { readStored, store } from "./storage.ts";

afterEach(() => void vi.unstubAllGlobals());

it("keeps values while the page is open if the browser denies storage", () => {
  const deny = () => {
    throw new DOMException("denied", "SecurityError");
  };
  vi.stubGlobal("localStorage", { getItem: deny, setItem: deny, removeItem: deny });
  expect(readStored("a")).toBeNull();
  store("a", "b");
  expect(readStored("a")).toBe("b");
  store("a", null);
  expect(readStored("a")).toBeNull();
});
