import { expect, it, vi } from "vitest";
import { makeJob } from "../../testing.ts";
import { mount } from "../../testing-page.tsx";
import { listing, service } from "../../testing-service.ts";
import { WeekPage } from "./page.tsx";

const row = (name: string, worker_hours: number, jobs: number) => ({
  ...{ name, worker_hours, jobs, succeeded: jobs - 1, failed: 1 },
});
const KEY = `key_${"0".repeat(24)}deadbeef`;
const USE = {
  currency: "EUR",
  total: { ...row("", 5.5, 12), cost: 13.75 },
  methods: [row("wanda", 5.5, 12)],
  keys: [row(KEY, 4, 8), row("", 1.5, 4)],
  labels: [row("team=nlp", 4.25, 9)],
};

it("shows the hours of a week by label, key and method, and its best results", async () => {
  vi.useFakeTimers({ now: new Date("2026-12-02T12:00Z") });
  service.reply = ({ pathname }) => {
    if (pathname === "/v1/me") return [200, { scopes: ["admin"] }];
    if (pathname === "/v1/keys") return listing([{ id: KEY, name: "nightly" }]);
    if (pathname === "/v1/use") return [200, USE];
    return listing([makeJob({ name: "small", reduction: 0.7, speed: 1.25, accuracy: 0.5 })]);
  };
  const { box, unmount } = await mount(<WeekPage />);
  const cells = (title: string) =>
    [...(box.querySelectorAll(`[aria-label="${title}"] tbody tr`) ?? [])].map((one) =>
      [...one.children].map((cell) => cell.textContent),
    );
  expect(box.querySelector(".lead")?.textContent).toBe(
    "This week: Mon, Nov 30 to Sun, Dec 6 (UTC)",
  );
  expect(box.textContent).toContain("Cost13.8 EUR");
  expect(cells("By label")).toEqual([["team=nlp", "4 h 15 min", "9 (1 failed)"]]);
  expect(cells("By key").map(([name]) => name)).toEqual(["nightly", "without a key"]);
  expect(cells("By method")).toEqual([["wanda", "5 h 30 min", "12 (1 failed)"]]);
  expect(cells("Best results")[0]).toEqual([
    "small",
    expect.any(String),
    "70.0 %",
    "–",
    "50.0 %",
    "1.25",
  ]);
  const [asked] = service.asked.filter((one) => one.startsWith("/v1/use"));
  const { after } = Object.fromEntries(new URLSearchParams(asked?.split("?")[1]));
  expect(after).toBe("2026-11-30T00:00:00.000Z");
  await unmount();
  vi.useRealTimers();
});
