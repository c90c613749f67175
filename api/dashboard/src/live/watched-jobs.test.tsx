import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { makeJob } from "../testing.ts";
import { settle } from "../testing-page.tsx";
import { type Answer, refusal, service } from "../testing-service.ts";
import { startWatching, watch, watchedJobs } from "./watched-jobs.ts";

const said: string[] = [];

class FakeNotification {
  static requestPermission = async () => "granted";
  constructor(text: string) {
    said.push(text);
  }
}

let answer: Answer;

beforeEach(async () => {
  vi.useFakeTimers();
  vi.stubGlobal("Notification", FakeNotification);
  const request = (_name: string, _options: object, work: (lock: object) => unknown) => work({});
  vi.stubGlobal("navigator", { locks: { request } });
  service.reply = () => answer;
  await watch("job_1", "mine");
  startWatching();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("requests a watched job until it has ended, whatever fails, and says how it has ended", async () => {
  answer = refusal(503);
  await settle(6000);
  expect(watchedJobs()).toEqual({ job_1: "mine" });
  answer = [200, makeJob({ id: "job_1", status: "succeeded", verdict: "pass" })];
  await settle(6000);
  expect(said).toEqual(["mine: succeeded, gate passed"]);
  expect(watchedJobs()).toEqual({});
});

it("requests a job no more that was deleted", async () => {
  answer = refusal(404);
  await settle(6000);
  expect(watchedJobs()).toEqual({});
});
