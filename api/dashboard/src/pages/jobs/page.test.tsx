import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { isDue } from "../../live/poller.ts";
import { makeJob, makeSpec } from "../../testing.ts";
import { button, mount, press, type Shown, settle } from "../../testing-page.tsx";
import { type Answer, listing, refusal, service } from "../../testing-service.ts";
import { JobsPage } from "./page.tsx";

const progress = { fraction: 1, block: null, eta_seconds: null };
const JOBS = ["a", "b", "c"].map((id) => makeJob({ id, status: "succeeded", progress }));
const FACETS = { status: { succeeded: 3 }, method: {}, verdict: {} };

let reply: (url: URL) => Answer;
let shown: Shown;

async function open(address = "/"): Promise<void> {
  history.replaceState(null, "", address);
  service.asked.length = 0;
  service.reply = (url) => {
    if (url.pathname === "/v1/me") return [200, { scopes: ["admin"] }];
    if (url.pathname.endsWith("/blocks")) return listing([]);
    if (url.searchParams.has("include")) return listing([], { facets: FACETS });
    return reply(url);
  };
  shown = await mount(<JobsPage />);
}

const alert = () => shown.box.querySelector("[role=alert]");
const rows = () => shown.box.querySelectorAll(".job-row").length;

beforeEach(() => {
  vi.useFakeTimers();
  // happy-dom lays nothing out, and rows are rendered only as far as the table is high.
  Object.defineProperty(HTMLElement.prototype, "clientHeight", {
    get: () => 900,
    configurable: true,
  });
});
afterEach(async () => {
  await shown.unmount();
  localStorage.clear();
  vi.useRealTimers();
});

it("shows that the next page was refused, and requests it again on demand", async () => {
  reply = ({ searchParams }) =>
    searchParams.has("cursor") ? refusal(429) : listing(JOBS, { next_cursor: "c", has_more: true });
  await open();
  await settle(5000);
  expect(service.count("cursor=")).toBe(1);
  expect(alert()?.textContent).toContain("Refused 429");

  reply = () => listing([makeJob({ id: "d", status: "queued" })]);
  await press(button(shown.box, "Try again"));
  expect(rows()).toBe(4);
  expect(alert()).toBeNull();
});

it("says that its rows are old when they could not be requested again", async () => {
  reply = () => listing(JOBS);
  await open();
  reply = () => refusal(500);
  shown.queries.invalidateQueries({ queryKey: ["jobs"] });
  await settle();
  expect(rows()).toBe(3);
  expect(alert()?.textContent).toContain("Refused 500");
});

it("requests the blocks of an ended job once, at its end", async () => {
  localStorage.setItem("zpruner.job-columns", "name,error");
  const running = makeJob({ id: "d", status: "running" });
  reply = () => listing([...JOBS, running]);
  await open();
  await settle(300); // rows that are scrolled past send no requests
  const blocks = () => shown.queries.getQueryCache().findAll({ queryKey: ["blocks"] });
  const due = () => blocks().filter((one) => one.isActive() && isDue(shown.queries, one, 1));
  expect(service.count("/blocks")).toBe(4);
  expect(due().map((one) => one.queryKey[1])).toEqual(["d"]);

  reply = () => listing([...JOBS, { ...running, status: "succeeded", progress }]);
  shown.queries.invalidateQueries({ queryKey: ["jobs"] });
  await settle();
  expect(service.count("/blocks")).toBe(5);
  expect(due()).toEqual([]);
});

it("says what a job is asked to save while that is not known as a share", async () => {
  const asked = [
    { method: "experts", sparsity: 0, experts: 96 },
    { method: "neurons", sparsity: 0, target: { parameters: 6e9 } },
    { method: "neurons", sparsity: 0, ratio: 0.25 },
  ];
  reply = () =>
    listing(
      asked.map((spec, at) =>
        makeJob({ id: String(at), status: "queued", spec: makeSpec(spec as never) }),
      ),
    );
  await open();
  const shares = [...shown.box.querySelectorAll("[title='As requested']")];
  expect(shares.map((one) => one.textContent)).toEqual(["96 experts", "to a size", "25.0 %"]);
});

it("does not say that there are no jobs before all were requested", async () => {
  reply = ({ searchParams }) => listing(searchParams.has("q") ? [] : JOBS);
  await open("/?q=nothing");
  const said: string[] = [];
  new MutationObserver(() => said.push(shown.box.textContent ?? "")).observe(shown.box, {
    childList: true,
    subtree: true,
  });
  await press(button(shown.box, "Show all jobs"));
  expect(rows()).toBe(3);
  expect(said.filter((text) => text.includes("No jobs yet"))).toEqual([]);
});

it("names the jobs of a dialog, and says how many are outside of the filter", async () => {
  const jobs = "abcdefg".split("").map((id) => makeJob({ ...JOBS[0], id, name: `job ${id}` }));
  reply = ({ searchParams }) => listing(searchParams.has("q") ? jobs.slice(0, 2) : jobs);
  await open();
  await press(shown.box.querySelector("thead input"));
  const dialog = () => button(shown.box, "Delete 7")?.nextElementSibling?.textContent;
  expect(dialog()).toContain("job a a");
  expect(dialog()).toContain("job e eand 2 more");
  expect(dialog()).not.toContain("outside");

  history.replaceState(null, "", "/?q=two");
  await shown.show(<JobsPage key="again" />);
  expect(rows()).toBe(2);
  expect(dialog()).toContain("5 of them are outside of the filter.");
  await press(button(shown.box, "Clear selection"));
});

it("selects the loaded jobs, and then all that match", async () => {
  const more = makeJob({ ...JOBS[0], id: "d" });
  reply = ({ searchParams }) =>
    searchParams.get("limit") === "200"
      ? listing(searchParams.has("cursor") ? [more] : JOBS, {
          next_cursor: searchParams.has("cursor") ? null : "c",
        })
      : searchParams.has("cursor")
        ? refusal(429)
        : listing(JOBS, { next_cursor: "c", has_more: true });
  FACETS.status.succeeded = 4;
  await open();
  const tick = shown.box.querySelector("thead label");
  expect(tick?.textContent).toBe("Select all 3 jobs that are loaded");
  await press(tick?.querySelector("input"));
  expect(shown.box.textContent).toContain("3 jobs selected");
  await press(button(shown.box, "Select all 4 that match"));
  expect(shown.box.textContent).toContain("4 jobs selected");
  expect(button(shown.box, "that match")).toBeUndefined();
  expect(button(shown.box, "Delete 4")?.nextElementSibling?.textContent).not.toContain("outside");
  await press(button(shown.box, "Clear selection"));
  FACETS.status.succeeded = 3;
});

it("forgets a selection that is cleared while its jobs are changed, and what has failed", async () => {
  const failed = JOBS.map((job) => ({ ...job, status: "failed" as const }));
  const [a] = failed;
  reply = () => listing(failed);
  await open();
  const { reply: read } = service;
  const waiting: ((answer: Answer) => void)[] = [];
  service.reply = (url, request) => {
    if (request.method !== "POST") return read(url, request);
    return new Promise((resolve) => waiting.push(resolve));
  };
  const boxes = () => shown.box.querySelectorAll<HTMLInputElement>(".job-row input");
  const bar = () => shown.box.querySelector(".bulk")?.textContent;
  await press(boxes()[0]);
  await press(boxes()[1]);
  await press(button(shown.box, "Retry the jobs"));
  await press(button(shown.box, "Clear selection"));
  waiting[0]?.([200, { ...a, status: "queued" }]);
  waiting[1]?.(refusal(409));
  await settle();
  expect(bar()).toBeUndefined();

  await press(boxes()[1]);
  expect(bar()).toContain("1 job selected");
  await press(button(shown.box, "Retry the job"));
  waiting[2]?.(refusal(409));
  await settle();
  expect(bar()).toContain("No.");
  await press(button(shown.box, "Clear selection"));
  await press(boxes()[1]);
  expect(bar()).not.toContain("No.");
  await press(button(shown.box, "Clear selection"));
});

it("shows the first label in full, and how many more there are", async () => {
  const labels = { team: "search", release: "2026-12", stage: "trial" };
  reply = () => listing([makeJob({ id: "d", labels })]);
  await open();
  const cell = shown.box.querySelector(".label-line");
  expect(cell?.querySelector("button")?.textContent).toBe("team=search");
  expect(cell?.textContent).toContain("+2 more: release=2026-12, stage=trial");
});

it("leaves the space of columns without any content to others", async () => {
  const heads = () => [...shown.box.querySelectorAll("th")].map((head) => head.textContent);
  reply = () => listing(JOBS);
  await open();
  expect(heads().join()).not.toMatch(/reason|Next step|Labels/);

  reply = () => listing([...JOBS, makeJob({ id: "d", status: "failed", labels: { team: "a" } })]);
  shown.queries.invalidateQueries();
  await settle(5000);
  expect(heads().join()).toMatch(/Labels.*Next step/);
});
