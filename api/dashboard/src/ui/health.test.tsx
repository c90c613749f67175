import { expect, it, vi } from "vitest";
import { mount } from "../testing-page.tsx";
import { listing, service } from "../testing-service.ts";
import { HealthMark, HealthStrip } from "./health.tsx";

const queue = (name: string, depth: number, workers: number, age: number | null) => ({
  ...{ name, depth, workers, postponed: 0, oldest_age_seconds: age, running: 0, devices: [] },
});

function answer(isWell: boolean, scope = "admin") {
  service.reply = ({ pathname, searchParams }) => {
    if (pathname === "/v1/me") return [200, { scopes: [scope] }];
    if (pathname === "/v1/workers")
      return listing([{ state: "idle" }, { state: isWell ? "busy" : "silent" }]);
    if (pathname === "/v1/queues")
      return listing(isWell ? [queue("gpu", 0, 2, null)] : [queue("big", 2, 0, 1440)]);
    if (pathname === "/v1/webhooks")
      return listing([{ enabled: true, undelivered: isWell ? 0 : 93 }]);
    const isDay = Date.now() - Date.parse(searchParams.get("created_after") ?? "") <= 86_401_000;
    if (searchParams.get("output") === "failed") {
      const succeeded = isWell ? 0 : 2;
      return listing([], { facets: { status: { succeeded }, method: {}, verdict: {} } });
    }
    const failed = isWell || !isDay ? 0 : 3;
    return listing([], { facets: { status: { failed }, method: {}, verdict: {} } });
  };
}

it("names workers, waits, failures of the jobs of a day, outputs and webhooks, each with a link", async () => {
  vi.useFakeTimers();
  answer(false);
  const { box, unmount } = await mount(<HealthStrip />);
  const links = [...box.querySelectorAll("a")];
  expect(links.map((one) => [one.textContent, one.getAttribute("href"), one.className])).toEqual([
    ["1 worker, 1 silent", "/workers", "problem-word"],
    ["no worker serves the queue big", "/workers", "problem-word"],
    ["longest wait 24 min 0 s", "/?status=queued&sort=created", "faint"],
    ["3 of the jobs submitted in 24 hours failed", "/?status=failed&time=day", "problem-word"],
    ["failed outputs of 2 jobs", "/?output=failed&time=week", "problem-word"],
    ["93 undelivered webhook messages", "/webhooks", "problem-word"],
  ]);
  await unmount();

  answer(true);
  const well = await mount(<HealthStrip />);
  expect(well.box.textContent).toContain("none of the jobs submitted in 24 hours failed");
  await well.unmount();
});

it("marks a page in the navigation only if something on it is wrong", async () => {
  vi.useFakeTimers();
  const marks = (
    <>
      <HealthMark page="/workers" />
      <HealthMark page="/webhooks" />
    </>
  );
  answer(true);
  const well = await mount(marks);
  expect(well.box.textContent).toBe("");
  await well.unmount();
  answer(false);
  const bad = await mount(marks);
  expect(bad.box.textContent).toContain("1 worker, 1 silent, no worker serves the queue big");
  expect(bad.box.textContent).toContain("93 undelivered webhook messages");
  await bad.unmount();
});

it("requests nothing that the key may not read", async () => {
  vi.useFakeTimers();
  answer(false, "jobs:read");
  const { box, unmount } = await mount(<HealthStrip />);
  expect(box.textContent).toContain("1 worker, 1 silent");
  expect(box.textContent).not.toContain("webhook");
  await unmount();
});
