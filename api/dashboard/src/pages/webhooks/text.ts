/** Texts for webhooks and their deliveries. */

import type {
  Delivery,
  DeliveryAttempt,
  DeliveryStatus,
  EventType,
  Webhook,
} from "../../api/webhooks.ts";
import { duration } from "../../format.ts";
import types from "./events.json";

export const EVENTS = types.all as EventType[];

/** The default events: the job has ended. */
export const ENDINGS = types.final as EventType[];

export function eventsInWords(events: readonly string[]): string {
  if (events.length === EVENTS.length) return "all events";
  const names = events.map(eventInWords);
  return `jobs ${names.length > 1 ? `${names.slice(0, -1).join(", ")} and ` : ""}${names.at(-1)}`;
}

export function eventInWords(event: string): string {
  return event.replace("job.", "").replace(".", " ");
}

interface State {
  label: string;
  tone: string;
  reason: string;
}

export function stateOf({ enabled, disabled_reason, undelivered }: Webhook): State {
  if (enabled && undelivered > 0) {
    const messages = undelivered === 1 ? "message" : `${undelivered} messages`;
    const reason = `The latest ${messages} could not be delivered.`;
    return { label: "failing", tone: "failed", reason };
  }
  if (enabled) return { label: "enabled", tone: "succeeded", reason: "" };
  if (disabled_reason === "gone") {
    const reason = "Its address responded with 410 (gone), so no messages are sent.";
    return { label: "gone", tone: "failed", reason };
  }
  return { label: "disabled", tone: "cancelled", reason: "It is disabled; no messages are sent." };
}

/** The colours of a delivery's statuses, from those of a job's. */
const TONES: Record<DeliveryStatus, string> = {
  pending: "queued",
  delivered: "succeeded",
  failed: "failed",
};

/** Return a delivery's status and its colour; one that has failed and is tried again is red. */
export function deliveryState({ status, last }: Delivery): { label: string; tone: string } {
  if (status === "pending" && last) return { label: "retrying", tone: "failed" };
  return { label: status, tone: TONES[status] };
}

export function responseInWords(attempt: DeliveryAttempt | null): string {
  if (attempt === null) return "not sent yet";
  const took = `in ${duration(attempt.seconds)}`;
  if (attempt.status === null) return `${attempt.error ?? "no response"}, ${took}`;
  return `status ${attempt.status}${attempt.error ? ` (${attempt.error})` : ""} ${took}`;
}

/** Describe the next attempt; empty if there is none. */
export function nextInWords(delivery: Delivery, isEnabled: boolean, now: number): string {
  if (delivery.status !== "pending") return "";
  if (!isEnabled) return "waits until the webhook is enabled";
  if (delivery.next_attempt_at === null) return "";
  const seconds = (new Date(delivery.next_attempt_at).getTime() - now) / 1000;
  const when = seconds <= 1 ? "now" : `in ${duration(Math.ceil(seconds))}`;
  return delivery.attempts === 0 ? `sent ${when}` : `next attempt ${when}`;
}

/** Format a JSON body; return any other body unchanged. */
export function readable(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}
