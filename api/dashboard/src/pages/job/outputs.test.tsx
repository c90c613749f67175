import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { applyEvent } from "../../api/cache.ts";
import { makeEvent, makeJob, makeSpec } from "../../testing.ts";
import { button, mount, press, type Shown, settle } from "../../testing-page.tsx";
import { listing, service } from "../../testing-service.ts";
import { inWords, Outputs } from "./outputs.tsx";

const target = { hub: "org/name", secret: "hf", private: true, revision: "main" };
const job = makeJob({ id: "job_1", status: "succeeded", spec: makeSpec({ output: [target] }) });
const output = {
  index: 0,
  target,
  state: "running",
  progress: { bytes_sent: 500, bytes_total: 1000, files_sent: 1, files_total: 3 },
  attempts: 1,
  next_attempt_at: null,
  url: null,
  error: null,
  finished_at: null,
  actions: ["cancel"],
};
const error = {
  title: "Denied",
  detail: "hub:org/name@main responded with status 403.",
  hint: "Fix.",
};

let answer: object;
let shown: Shown;

beforeEach(() => {
  vi.useFakeTimers();
  service.asked.length = 0;
  answer = output;
  service.reply = () => listing([answer]);
});
afterEach(async () => {
  await shown.unmount();
  vi.useRealTimers();
});

it("shows how much was sent, and follows the events", async () => {
  shown = await mount(<Outputs job={job} />);
  expect(shown.box.textContent).toContain("500 B of 1.00 kB, 1 of 3 files");
  expect(shown.box.querySelector("progress")?.getAttribute("value")).toBe("0.5");

  const url = "https://hub.example/org/name/commit/c0ffee";
  answer = { ...output, state: "succeeded", url, actions: [] };
  applyEvent(shown.queries, makeEvent({ job_id: "job_1", kind: "output_succeeded" }));
  await settle(1500);
  expect(shown.box.querySelector("a")?.getAttribute("href")).toBe(url);
  expect(shown.box.querySelector("progress")).toBeNull();
});

it("says why an output failed, and sends it again", async () => {
  answer = { ...output, state: "failed", error, actions: ["retry"] };
  shown = await mount(<Outputs job={job} />);
  expect(shown.box.textContent).toContain("responded with status 403. Fix.");
  answer = { ...output, state: "waiting", actions: ["cancel"] };
  await press(button(shown.box, "Send again"));
  expect(service.asked.join()).toContain("/v1/jobs/job_1/outputs/0/retry");
  expect(shown.box.textContent).toContain("waiting");
});

it("says in words what a server responded in markup", () => {
  const xml = `<?xml version="1.0"?><Error><Code>NoSuchBucket</Code><Message>No such bucket</Message></Error>`;
  expect(inWords(`s3://a/b responded with status 404: ${xml}`)).toBe(
    "s3://a/b responded with status 404: No such bucket.",
  );
  expect(inWords("No response from a < b.")).toBe("No response from a < b.");
});

it("says when a failed attempt is repeated", async () => {
  const next_attempt_at = new Date(Date.now() + 90_000).toISOString();
  answer = { ...output, state: "waiting", error, next_attempt_at };
  shown = await mount(<Outputs job={job} />);
  expect(shown.box.textContent).toMatch(/Attempt 1 failed; the next one is in 1 min \d+ s/);
});

it("is absent from jobs without outputs, and says when the result is sent", async () => {
  shown = await mount(<Outputs job={makeJob()} />);
  expect(shown.box.textContent).toBe("");
  answer = [];
  service.reply = () => listing([]);
  await shown.show(<Outputs job={{ ...job, status: "running" }} />);
  expect(shown.box.textContent).toContain("sent to one place once the job has succeeded");
});
