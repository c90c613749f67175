/** How much a key may have, and how much of it is used, in words and from words. */

import type { Key, KeyRequest } from "../../api/keys.ts";
import { bytes, figure } from "../../format.ts";

interface Share {
  used: number;
  allowed: number | null;
}

export function share({ used, allowed }: Share, unit: "count" | "bytes" = "count"): string {
  const say = unit === "bytes" ? bytes : (value: number) => trimmed(value);
  return allowed === null ? `${say(used)}, no limit` : `${say(used)} of ${say(allowed)}`;
}

function trimmed(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString("en") : figure(value);
}

type Quotas = KeyRequest["quotas"];

/** What bounds a key; nothing where nothing does. */
export function bounds({ jobs_in_flight, gpu_hours, artifact_bytes }: Quotas): string[] {
  const said: string[] = [];
  if (jobs_in_flight != null) {
    said.push(
      jobs_in_flight === 1 ? "1 job in flight" : `${trimmed(jobs_in_flight)} jobs in flight`,
    );
  }
  if (gpu_hours != null) said.push(`${trimmed(gpu_hours)} GPU hours in 30 days`);
  if (artifact_bytes != null) said.push(`${bytes(artifact_bytes)} of files`);
  return said;
}

/** How a key has come to open nothing, if it has. */
export function endOf(
  { revoked_at, expires_at }: Pick<Key, "revoked_at" | "expires_at">,
  now: number,
): "revoked" | "expired" | null {
  if (revoked_at !== null) return "revoked";
  return expires_at !== null && new Date(expires_at).getTime() <= now ? "expired" : null;
}

/** Quotas and expiry as typed. */
export interface Limits {
  jobs: string;
  hours: string;
  files: string;
  /** The last day, as a date input says it. */
  until: string;
}

export const NO_LIMITS: Limits = { jobs: "", hours: "", files: "", until: "" };

/** What to ask for; text that is no value stays text, for the service to refuse by name. */
export function limitsAsked({ jobs, hours, files, until }: Limits) {
  const quotas: Record<string, unknown> = {};
  if (jobs.trim()) quotas.jobs_in_flight = numeric(jobs);
  if (hours.trim()) quotas.gpu_hours = numeric(hours);
  if (files.trim()) quotas.artifact_bytes = size(files);
  return {
    quotas: quotas as Quotas,
    // The whole of that day, where the person is.
    expires_at: until ? endOfDay(until) : null,
  };
}

/** A year of five digits can be typed, and is no date. */
function endOfDay(day: string): string {
  const end = new Date(`${day}T23:59:59`);
  return Number.isNaN(end.getTime()) ? day : end.toISOString();
}

function numeric(text: string): unknown {
  return Number.isFinite(Number(text)) ? Number(text) : text.trim();
}

const UNITS: Record<string, number> = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12 };

/** Read "50 GB" or a plain number of bytes. */
function size(text: string): unknown {
  const [, amount, unit = "b"] = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?b)?\s*$/i.exec(text) ?? [];
  if (amount === undefined) return text.trim();
  return Math.round(Number(amount) * (UNITS[unit.toLowerCase()] ?? 1));
}
