import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { makeJob } from "../../testing.ts";
import { button, field, mount, press, type Shown, settle, type } from "../../testing-page.tsx";
import { type Answer, listing, refusal, service } from "../../testing-service.ts";
import { Trials } from "./trials.tsx";

const job = makeJob({ id: "job_1", status: "succeeded", size_bytes: 1000 });
const PATH = "/v1/jobs/job_1/trials";

const makeTrial = (fields: object = {}) => ({
  id: "job_9",
  job_id: "job_1",
  prompt: "Once upon",
  max_tokens: 64,
  seed: null,
  status: "queued",
  queue_position: 2,
  answer: null,
  error: null,
  created_by: null,
  created_at: "2026-01-05T09:45:00Z",
  finished_at: null,
  ...fields,
});

let caller: object;
let trials: Answer;
let creation: Answer;
let sent: unknown[];
let shown: Shown;

beforeEach(() => {
  vi.useFakeTimers();
  service.asked.length = 0;
  sent = [];
  caller = { scopes: ["admin"] };
  trials = listing([]);
  creation = [201, makeTrial()];
  service.reply = async ({ pathname }, request) => {
    if (pathname === PATH && request.method === "POST") {
      sent.push(await request.json());
      return creation;
    }
    if (pathname === PATH) return trials;
    if (pathname === "/v1/me") return [200, caller];
    return refusal(404);
  };
});
afterEach(async () => {
  await shown.unmount();
  vi.useRealTimers();
});

const status = () => shown.box.querySelector("[role=status]")?.textContent;

it("sends a prompt, and shows the state until both answers are side by side", async () => {
  shown = await mount(<Trials job={job} />);
  await settle();
  expect(button(shown.box, "Send")?.disabled).toBe(true);
  await type(field(shown.box, "Prompt"), "Once upon");
  await type(field(shown.box, "Seed"), "7");
  trials = listing([makeTrial()]);
  await press(button(shown.box, "Send"));
  expect(sent).toEqual([{ prompt: "Once upon", max_tokens: 64, seed: 7 }]);
  expect(status()).toBe("waiting for a worker, number 2 in the queue");
  expect((field(shown.box, "Prompt") as HTMLTextAreaElement).value).toBe("");

  trials = listing([makeTrial({ status: "running", queue_position: null })]);
  await settle(1500);
  expect(status()).toBe("running");

  const answer = { dense: " a time", pruned: " a tine" };
  trials = listing([makeTrial({ status: "succeeded", queue_position: null, answer })]);
  await settle(1500);
  const parts = [...shown.box.querySelectorAll("dt, dd")].map((one) => one.textContent);
  expect(parts).toEqual(["Dense", " a time", "Pruned", " a tine"]);
  service.asked.length = 0;
  await settle(5000);
  expect(service.asked).toEqual([]);
});

it("cancels a trial that has not ended", async () => {
  trials = listing([makeTrial()]);
  const cancelled: string[] = [];
  const reply = service.reply;
  service.reply = (url, request) => {
    if (!url.pathname.endsWith("/cancel")) return reply(url, request);
    cancelled.push(url.pathname);
    trials = listing([makeTrial({ status: "cancelled", queue_position: null })]);
    return [200, makeJob({ id: "job_9", status: "cancelled" })];
  };
  shown = await mount(<Trials job={job} />);
  await settle();
  await press(button(shown.box, "Cancel"));
  expect(cancelled).toEqual(["/v1/jobs/job_9/cancel"]);
  expect(status()).toBe("cancelled");
  expect(button(shown.box, "Cancel")).toBeUndefined();
});

it("shows earlier trials, and why one failed", async () => {
  const error = { title: "No", detail: "The prompt is too long.", code: "x", status: 422 };
  const answer = { dense: "a", pruned: "b" };
  trials = listing([
    makeTrial({ status: "failed", queue_position: null, error }),
    makeTrial({ id: "job_8", prompt: "Earlier", status: "succeeded", seed: 3, answer }),
  ]);
  shown = await mount(<Trials job={job} />);
  await settle();
  expect(status()).toBe("failed: The prompt is too long.");
  expect(shown.box.querySelectorAll("figure")[1]?.textContent).toContain("EarlierDenseaPrunedb");
  expect(shown.box.querySelectorAll("figure")[1]?.textContent).toContain("seed 3");
});

it("shows a refusal at its field, or in a note, and keeps the prompt", async () => {
  shown = await mount(<Trials job={job} />);
  await settle();
  await type(field(shown.box, "Prompt"), "Once");
  creation = refusal(429);
  await press(button(shown.box, "Send"));
  expect(shown.box.querySelector("[role=alert]")?.textContent).toContain("Refused 429");

  const [code, document] = refusal(422) as [number, object];
  const detail = "max_tokens many: Input should be an integer.";
  creation = [code, { ...document, errors: [{ pointer: "/max_tokens", code: "int", detail }] }];
  await type(field(shown.box, "Most tokens"), "many");
  await press(button(shown.box, "Send"));
  expect(sent.at(-1)).toEqual({ prompt: "Once", max_tokens: "many", seed: null });
  expect(shown.box.querySelector(".problem")?.textContent).toContain(detail);
  expect((field(shown.box, "Prompt") as HTMLTextAreaElement).value).toBe("Once");
});

it("is absent for jobs of another key, without files, or without success", async () => {
  caller = { scopes: ["jobs:write"], key: { id: "key_2" } };
  shown = await mount(<Trials job={job} />);
  await settle();
  expect(shown.box.textContent).toBe("");
  expect(service.count(PATH)).toBe(0);
  caller = { scopes: ["admin"] };
  for (const other of [makeJob({ size_bytes: 0, status: "succeeded" }), makeJob()]) {
    await shown.show(<Trials job={other} />);
    expect(shown.box.textContent).toBe("");
  }
});
