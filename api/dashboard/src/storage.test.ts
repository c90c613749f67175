import { afterEach, expect, it, vi } from "vitest";
import { readStored, store } from "./storage.ts";

afterEach(() => void vi.unstubAllGlobals());

it("keeps things for as long as the page is there where the browser denies storage", () => {
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
