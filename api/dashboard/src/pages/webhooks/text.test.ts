import { expect, it } from "vitest";
import type { Delivery, Webhook } from "../../api/webhooks.ts";
import {
  deliveryState,
  ENDINGS,
  EVENTS,
  eventsInWords,
  nextInWords,
  readable,
  responseInWords,
  stateOf,
} from "./text.ts";

const NOW = Date.parse("2026-01-05T09:30:00Z");

function makeDelivery(overrides: Partial<Delivery> = {}): Delivery {
  return {
    id: "msg_01920c3b5f7a7c3e8a4d2b1f6e5d4c3b",
    webhook_id: "whk_01920c3b5f7a7c3e8a4d2b1f6e5d4c3b",
    type: "job.succeeded",
    job_id: null,
    status: "pending",
    attempts: 1,
    next_attempt_at: "2026-01-05T09:35:00Z",
    created_at: "2026-01-05T09:29:00Z",
    finished_at: null,
    last: null,
    ...overrides,
  };
}

it("names the events, few or all", () => {
  expect(eventsInWords(["job.failed"])).toBe("jobs failed");
  expect(eventsInWords(ENDINGS)).toBe("jobs succeeded, failed, cancelled and expired");
  expect(eventsInWords(EVENTS)).toBe("all events");
});

it("gives the reason why nothing is sent", () => {
  const webhook = (enabled: boolean, disabled_reason: string | null) =>
    stateOf({ enabled, disabled_reason, undelivered: 0 } as Webhook);
  expect(webhook(true, null).label).toBe("enabled");
  expect(webhook(false, "gone").reason).toContain("410");
  expect(webhook(false, "by_request").label).toBe("disabled");
});

it("describes the outcome of an attempt", () => {
  const at = "2026-01-05T09:29:01Z";
  expect(responseInWords(null)).toBe("not sent yet");
  expect(responseInWords({ at, status: 204, seconds: 0.12, error: null })).toBe(
    "status 204 in 0.1 s",
  );
  expect(responseInWords({ at, status: null, seconds: 10, error: "no response" })).toBe(
    "no response, in 10 s",
  );
});

it("gives the time of the next attempt", () => {
  expect(nextInWords(makeDelivery(), true, NOW)).toBe("next attempt in 5 min 0 s");
  const first = makeDelivery({ attempts: 0, next_attempt_at: "2026-01-05T09:29:59Z" });
  expect(nextInWords(first, true, NOW)).toBe("sent now");
  expect(nextInWords(first, false, NOW)).toContain("enabled");
  expect(nextInWords(makeDelivery({ status: "failed" }), true, NOW)).toBe("");
});

it("formats JSON, and keeps other text as it is", () => {
  expect(readable('{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(readable("plain")).toBe("plain");
});

it("shows an enabled webhook whose messages fail in red", () => {
  const webhook = { enabled: true, disabled_reason: null, undelivered: 2 } as Webhook;
  expect(stateOf(webhook)).toMatchObject({ label: "failing", tone: "failed" });
  expect(stateOf(webhook).reason).toContain("The latest 2 messages");
  expect(stateOf({ ...webhook, undelivered: 0 }).tone).toBe("succeeded");
  expect(stateOf({ ...webhook, enabled: false }).label).toBe("disabled");
});

it("shows a message in red that has failed and is tried again", () => {
  const last = { at: "2026-01-05T09:30:00Z", status: 500, seconds: 0.1, error: null };
  expect(deliveryState(makeDelivery({ last }))).toEqual({ label: "retrying", tone: "failed" });
  expect(deliveryState(makeDelivery())).toEqual({ label: "pending", tone: "queued" });
});
