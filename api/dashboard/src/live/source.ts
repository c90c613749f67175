/** Reads the stream of all jobs' events until it ends or fails. */

import { authorization } from "../api/key.ts";
import type { LiveEvent } from "../api/live-events.ts";
import { frames } from "./sse.ts";

/** The stream is not available, or not permitted: poll instead. */
export class NoStreamError extends Error {}
export class SignedOutError extends Error {}

export interface StreamHandler {
  opened(): void;
  /** Bytes have arrived, pings included. */
  received(): void;
  /** The id from which the stream can be resumed. */
  position(id: string): void;
  event(event: LiveEvent): void;
}

export async function readEvents(
  lastId: string | null,
  handler: StreamHandler,
  signal: AbortSignal,
): Promise<void> {
  const headers: Record<string, string> = { accept: "text/event-stream", ...authorization() };
  if (lastId !== null) headers["last-event-id"] = lastId;
  const response = await fetch("/v1/events", { headers, signal, cache: "no-store" });
  if (response.status === 401) throw new SignedOutError();
  if (!response.ok || response.body === null) throw streamError(response);
  handler.opened();
  for await (const frame of frames(response.body, handler.received)) {
    const event = eventOf(frame.data); // null for pings and other control frames
    if (frame.id !== null) handler.position(frame.id);
    if (event) handler.event(event);
  }
}

function streamError(response: Response): Error {
  // 5xx and 429 are temporary; a retry does not help with others.
  const isTemporary = response.status >= 500 || response.status === 429;
  const message = `the event stream responded with ${response.status}`;
  return isTemporary ? new Error(message) : new NoStreamError(message);
}

function eventOf(data: string): LiveEvent | null {
  const parsed: unknown = JSON.parse(data);
  const isEvent = typeof parsed === "object" && parsed !== null && "job_id" in parsed;
  return isEvent ? (parsed as LiveEvent) : null;
}
