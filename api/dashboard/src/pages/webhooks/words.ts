/** Webhooks and their deliveries, for people. */

import type { Delivery, DeliveryAttempt, EventType, Webhook } from "../../api/webhooks.ts";
import { duration } from "../../format.ts";

/** What a webhook can be told of, in the order of a job's life. */
export const EVENTS = [
  "job.queued",
  "job.running",
  "job.paused",
  "job.succeeded",
  "job.failed",
  "job.cancelled",
  "job.expired",
] as const satisfies readonly EventType[];

/** What one is told of unless one says otherwise: that a job has ended, however it did. */
export const ENDINGS: EventType[] = ["job.succeeded", "job.failed", "job.cancelled", "job.expired"];

export function eventsInWords(events: readonly string[]): string {
  if (events.length === EVENTS.length) return "everything";
  const names = events.map((one) => one.replace("job.", ""));
  return `jobs ${names.length > 1 ? `${names.slice(0, -1).join(", ")} and ` : ""}${names.at(-1)}`;
}

interface State {
  word: string;
  tone: string;
  why: string;
}

export function stateOf({ enabled, disabled_reason }: Webhook): State {
  if (enabled) return { word: "enabled", tone: "succeeded", why: "" };
  if (disabled_reason === "gone") {
    const why = "Its address answered 410, gone, so nothing more is sent there.";
    return { word: "gone", tone: "failed", why };
  }
  return { word: "disabled", tone: "cancelled", why: "Somebody disabled it; nothing is sent." };
}

/** The colours of a job's states, for a delivery's. */
export const TONES: Record<string, string> = {
  pending: "queued",
  delivered: "succeeded",
  failed: "failed",
};

export function answerInWords(attempt: DeliveryAttempt | null): string {
  if (attempt === null) return "not sent yet";
  const took = `in ${duration(attempt.seconds)}`;
  if (attempt.status === null) return `${attempt.error ?? "no answer"}, ${took}`;
  return `answered ${attempt.status}${attempt.error ? ` (${attempt.error})` : ""} ${took}`;
}

/** When it is tried the next time; nothing for what is over. */
export function nextInWords(delivery: Delivery, isEnabled: boolean, now: number): string {
  if (delivery.status !== "pending") return "";
  if (!isEnabled) return "waits until the webhook is enabled";
  if (delivery.next_attempt_at === null) return "";
  const seconds = (new Date(delivery.next_attempt_at).getTime() - now) / 1000;
  const when = seconds <= 1 ? "now" : `in ${duration(Math.ceil(seconds))}`;
  return delivery.attempts === 0 ? `to be sent ${when}` : `tried again ${when}`;
}

/** A body as one would write it by hand; as it is where it is no JSON. */
export function readable(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}
