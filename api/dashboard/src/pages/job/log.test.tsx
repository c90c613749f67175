import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { makeJob } from "../../testing.ts";
import { mount, type Shown, settle } from "../../testing-page.tsx";
import { listing, service } from "../../testing-service.ts";
import { Log } from "./log.tsx";

const line = (id: number, message: string) => ({
  id,
  at: "2026-01-05T09:30:00Z",
  level: "INFO",
  message,
  attempt: 1,
});

let lines = [line(1, "started")];
let shown: Shown;

beforeEach(async () => {
  vi.useFakeTimers();
  lines = [line(1, "started")];
  service.reply = () => listing(lines);
  shown = await mount(<Log job={makeJob({ status: "running" })} />);
});
afterEach(async () => {
  await shown.unmount();
  vi.useRealTimers();
});

it.each(["failed", "queued"] as const)(
  "is read for a while after a job is %s, for its last lines, and no longer",
  async (status) => {
    await shown.show(<Log job={makeJob({ status })} />);
    lines = [...lines, line(2, "Traceback")];
    await settle(15_000);
    expect(shown.box.textContent).toContain("Traceback");

    service.asked.length = 0;
    await settle(30_000);
    expect(service.asked).toEqual([]);
  },
);

it("follows the last line until the user scrolls up, and again from the end", async () => {
  const [box, follows] = ["section.log", "input[type=checkbox]"].map((one) =>
    shown.box.querySelector(one),
  );
  if (!box) throw new Error("there is a line");
  Object.defineProperty(box, "scrollHeight", { value: 1000 });
  Object.defineProperty(box, "clientHeight", { value: 400 });
  const scroll = (top: number) =>
    act(() => {
      box.scrollTop = top;
      box.dispatchEvent(new Event("scroll"));
    });

  scroll(100);
  lines = [...lines, line(2, "next")];
  await settle(3000);
  expect(follows).toHaveProperty("checked", false);
  expect(box.scrollTop).toBe(100);

  scroll(600);
  lines = [...lines, line(3, "next")];
  await settle(3000);
  expect(follows).toHaveProperty("checked", true);
  expect(box.scrollTop).toBe(1000);
});
