/** The stream of all jobs' events, read until it ends or breaks. */

import type { LiveEvent } from "../api/faces.ts";
import { authorization } from "../api/key.ts";
import { frames } from "./sse.ts";

/** This service has no such stream, or nobody may read it so: poll instead. */
export class NoStreamError extends Error {}
export class SignedOutError extends Error {}

export interface Heard {
  opened(): void;
  anything(): void;
  /** Every frame has the place in the stream from which to go on. */
  at(id: string): void;
  event(event: LiveEvent): void;
}

export async function readEvents(
  lastId: string | null,
  heard: Heard,
  signal: AbortSignal,
): Promise<void> {
  const headers: Record<string, string> = { accept: "text/event-stream", ...authorization() };
  if (lastId !== null) headers["last-event-id"] = lastId;
  const response = await fetch("/v1/events", { headers, signal, cache: "no-store" });
  if (response.status === 401) throw new SignedOutError();
  if (!response.ok || response.body === null) throw refusal(response);
  heard.opened();
  for await (const frame of frames(response.body, heard.anything)) {
    const event = eventOf(frame.data); // none of what only says that the line is open
    if (frame.id !== null) heard.at(frame.id);
    if (event) heard.event(event);
  }
}

function refusal(response: Response): Error {
  // 5xx and 429 pass; anything else will be the same next time.
  const passes = response.status >= 500 || response.status === 429;
  const said = `the stream answered ${response.status}`;
  return passes ? new Error(said) : new NoStreamError(said);
}

function eventOf(data: string): LiveEvent | null {
  const parsed: unknown = JSON.parse(data);
  const isEvent = typeof parsed === "object" && parsed !== null && "job_id" in parsed;
  return isEvent ? (parsed as LiveEvent) : null;
}
