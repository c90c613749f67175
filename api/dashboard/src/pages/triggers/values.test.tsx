import { expect, it, vi } from "vitest";
import { mount } from "../../testing-page.tsx";
import { ValueTable } from "./values.tsx";

it("says how many values are listed, and requires none that the sample lacks", async () => {
  vi.useFakeTimers();
  const payload = { many: Array.from({ length: 70 }, (_, place) => place), ref: "main" };
  const rules = { filter: { "/ref": "main" }, map: { name: "/none" } };
  const { box } = await mount(<ValueTable {...rules} payload={payload} change={() => {}} />);
  expect(box.textContent).toContain("The first 60 of 71 values are listed, and those that");
  const required = (pointer: string) =>
    box.querySelector<HTMLInputElement>(`[aria-label="Require ${pointer}"]`);
  expect(required("/many/59")?.disabled).toBe(false);
  expect(required("/ref")).toMatchObject({ disabled: false, checked: true });
  expect(required("/none")?.disabled).toBe(true);
  expect(box.querySelector("tbody tr:last-child")?.textContent).toContain("not in the sample");
});
