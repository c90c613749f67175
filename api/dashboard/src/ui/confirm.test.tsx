import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { button, mount, press } from "../testing-page.tsx";
import { Confirm } from "./confirm.tsx";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("begins with the button that changes nothing", async () => {
  const texts = { label: "Delete", title: "Delete it?", message: "It is gone then." };
  const shown = await mount(
    <Confirm {...texts} confirmLabel="Delete the job" cancelLabel="Keep it" onConfirm={() => {}} />,
  );
  await press(button(shown.box, "Delete"));
  expect(document.activeElement?.textContent).toBe("Keep it");
  await shown.unmount();
});
