import { expect, it } from "vitest";
import { silenceOf, type Worker } from "./workers.ts";

const worker = (silent_seconds: number) => ({ silent_seconds }) as Worker;

it("a worker is silent after eight seconds, also between two polls", () => {
  expect(silenceOf(worker(3), 0, 3000)).toBeNull();
  expect(silenceOf(worker(6), 0, 2500)).toBe(8.5);
  expect(silenceOf(worker(25), 0, 0)).toBe(25);
});

it("a page that cannot reach the service does not call its workers silent", () => {
  for (let now = 0; now < 60_000; now += 500) expect(silenceOf(worker(3), 0, now)).toBeNull();
  expect(silenceOf(worker(9), 0, 60_000)).toBe(13);
});
