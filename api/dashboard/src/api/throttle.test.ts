import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Throttle } from "./throttle.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("runs the first call immediately, and the last of many after the interval", async () => {
  const done: string[] = [];
  const throttle = new Throttle(1000);
  for (const name of ["a", "b", "c"]) throttle.run("x", () => done.push(name));
  await vi.advanceTimersByTimeAsync(0);
  expect(done).toEqual(["a"]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(done).toEqual(["a", "c"]);
  await vi.advanceTimersByTimeAsync(5000);
  throttle.run("x", () => done.push("d"));
  await vi.advanceTimersByTimeAsync(0);
  expect(done).toEqual(["a", "c", "d"]);
});

it("keeps names apart, and continues after a failed call", async () => {
  const done: string[] = [];
  const throttle = new Throttle(1000);
  throttle.run("x", () => Promise.reject(new Error("gone")));
  throttle.run("y", () => done.push("y"));
  throttle.run("x", () => done.push("x"));
  await vi.advanceTimersByTimeAsync(1000);
  expect(done).toEqual(["y", "x"]);
});
