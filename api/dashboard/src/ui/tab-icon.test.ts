import { expect, it } from "vitest";
import { iconOf } from "./tab-icon.ts";

const filled = (icon: string) =>
  Number(/stroke-dasharray="([\d.]+) /.exec(decodeURIComponent(icon))?.[1]);

it("fills a ring as far as the job is, and wholly when it has ended", () => {
  expect(filled(iconOf("running", 0))).toBe(0);
  expect(filled(iconOf("running", 0.5))).toBeCloseTo(filled(iconOf("succeeded", 0)) / 2);
  expect(iconOf("failed", 0.5)).not.toBe(iconOf("succeeded", 0.5));
});
