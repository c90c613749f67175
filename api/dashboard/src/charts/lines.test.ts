import { expect, it } from "vitest";
import { styleOf } from "./lines.tsx";

it("draws each of as many jobs as can be compared in a way of its own", () => {
  const styles = Array.from({ length: 20 }, (_, line) => styleOf(line));
  expect(new Set(styles).size).toBe(20);
});
